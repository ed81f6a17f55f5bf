"""Where prompts and keys may go, the options of a model, and what is refused before anything is sent."""

import pytest

from lima import LimaError, Sampling
from lima_judges.openai_server import OpenAIServers
from lima_judges.options import divided, joined

OPEN = OpenAIServers().open


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "http://127.0.0.1:8000/v1",
        "http://localhost/v1",
        "http://[::1]:80/v1",
        "http://127.8.8.8/v1",
        "http://10.0.0.5/v1#m?plain_http=yes",
    ],
)
def test_addresses_that_may_be_asked(url):
    assert OPEN(url if "#" in url else f"{url}#m", None).name == f"openai:{url.partition('#')[0]}#m"


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("http://10.0.0.5/v1#m", "is not encrypted and not on this machine"),
        ("http://localhost.evil.example/v1#m", "is not encrypted"),
        ("http://127.0.0.1.evil.example/v1#m", "is not encrypted"),
        ("http://127.0.0.1@evil.example/v1#m", "has a name or a password"),
        ("ftp://127.0.0.1/v1#m", "is not a web address"),
        ("file:///etc/passwd#m", "is not a web address"),
        ("http://[::1/v1#m", "is not a web address"),
        ("https://h:port/v1#m", "is not a web address"),
        ("127.0.0.1:8000#m", "is not a web address"),
        ("https://h/v1?version=1#m", "has a query"),
        ("https://h/v1", "openai:URL#NAME"),
        ("#m", "openai:URL#NAME"),
        (None, "openai:URL#NAME"),
        ("https://h/v1#m?votes=3", "'votes' is not an option of openai:URL#NAME. Known: key, plain_http, send"),
        ("https://h/v1#m?send=temprature", "Did you mean 'temperature'?"),
        ("https://h/v1#m?plain_http=true", "expected yes or no"),
        ("https://h/v1#m?key=NO_SUCH_VARIABLE", "'NO_SUCH_VARIABLE', which the option 'key' names, is not set"),
        ("https://h/v1#m?key=A&key=B", "comes twice"),
    ],
)
def test_arguments_that_are_refused(argument, said):
    with pytest.raises(LimaError) as error:
        OPEN(argument, None)
    assert said in str(error.value)


def test_no_key_goes_over_plain_http_to_another_machine_unless_it_is_named(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("MY_KEY", "sk-mine")
    assert OPEN("http://10.0.0.5/v1#m?plain_http=yes", None).backend.key == ""
    assert OPEN("http://10.0.0.5/v1#m?plain_http=yes&key=MY_KEY", None).backend.key == "MY_KEY"
    assert OPEN("https://h/v1#m", None).backend.key == "OPENAI_API_KEY"


def test_a_redirect_is_not_followed_and_takes_no_key_along(serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    other = serve()
    server = serve(lambda h, b: h.answer(308, location=f"{other.url}/chat/completions"))
    (failure,) = OPEN(server.spec, None).reply(["Hello"], Sampling(), 0)
    assert "is not followed" in str(failure)
    assert (len(server.asked), len(other.asked)) == (1, 0)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("gpt-4o", ("gpt-4o", {})),
        ("gpt-4o?votes=3&template=a%20b.jinja", ("gpt-4o", {"votes": "3", "template": "a b.jinja"})),
        ("what?", ("what?", {})),
        ("a?b", ("a?b", {})),
        ("c++?x=1+1", ("c++", {"x": "1+1"})),
    ],
)
def test_options_stand_behind_the_last_question_mark_that_has_some(argument, expected):
    assert divided(argument) == expected
    assert divided(joined(*expected)) == expected


@pytest.mark.parametrize(
    "name", ["LIMA_JUDGES_AT_ONCE", "LIMA_JUDGES_ATTEMPTS", "LIMA_JUDGES_TIMEOUT", "LIMA_JUDGES_FIRST_WAIT"]
)
@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "1e9"])
def test_settings_of_the_environment_are_checked(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(LimaError, match=f"^{name} is '{value}'; expected"):
        OPEN("https://h/v1#m", None)


def test_token_ids_and_tools_are_refused_before_anything_is_sent(serve):
    from lima_chat import Turn

    server = serve()
    for prompt, said in (([1, 2, 3], "token ids"), ((Turn("tool", "21"),), "'tool'")):
        with pytest.raises(LimaError, match=said):
            OPEN(server.spec, None).reply([prompt], Sampling(), 0)
    assert server.asked == []
