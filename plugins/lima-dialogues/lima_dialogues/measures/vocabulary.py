"""Words that tell something of a text: names of countries, British and American spelling, common words of a few languages.

Facts and no more: what is not in a list is not seen. Knows nothing of dialogues.
"""

import re

_NAMED = (
    "Afghanistan Albania Algeria Andorra Angola Argentina Armenia Australia Austria Azerbaijan Bahamas Bahrain Bangladesh "
    "Barbados Belarus Belgium Belize Benin Bhutan Bolivia Bosnia Botswana Brazil Britain Brunei Bulgaria Burundi Cambodia "
    "Cameroon Canada Chile China Colombia Comoros Congo Croatia Cuba Cyprus Czechia Denmark Djibouti Dominica Ecuador Egypt "
    "England Eritrea Estonia Eswatini Ethiopia Fiji Finland France Gabon Gambia Germany Ghana Greece Grenada Guatemala "
    "Guinea Guyana Haiti Honduras Hungary Iceland India Indonesia Iran Iraq Ireland Israel Italy Jamaica Japan Kazakhstan "
    "Kenya Kiribati Kosovo Kuwait Kyrgyzstan Laos Latvia Lebanon Lesotho Liberia Libya Liechtenstein Lithuania Luxembourg "
    "Madagascar Malawi Malaysia Maldives Mali Malta Mauritania Mauritius Mexico Micronesia Moldova Monaco Mongolia "
    "Montenegro Morocco Mozambique Myanmar Namibia Nauru Nepal Netherlands Nicaragua Niger Nigeria Norway Oman Pakistan Palau "
    "Palestine Panama Paraguay Peru Philippines Poland Portugal Qatar Romania Russia Rwanda Samoa Scotland Senegal Serbia "
    "Seychelles Singapore Slovakia Slovenia Somalia Spain Sudan Suriname Sweden Switzerland Syria Taiwan Tajikistan Tanzania "
    "Thailand Togo Tonga Tunisia Turkey Turkmenistan Tuvalu Uganda Ukraine Uruguay Uzbekistan Vanuatu Venezuela Vietnam Wales "
    "Yemen Zambia Zimbabwe"
)
LONGER = (
    "United States",
    "United Kingdom",
    "United Arab Emirates",
    "New Zealand",
    "South Africa",
    "South Korea",
    "North Korea",
    "Saudi Arabia",
    "Sri Lanka",
    "Costa Rica",
    "Ivory Coast",
    "El Salvador",
    "Sierra Leone",
    "Burkina Faso",
    "Cape Verde",
    "Northern Ireland",
    "Papua New Guinea",
    "Puerto Rico",
    "Trinidad and Tobago",
    "Hong Kong",
)
_COUNTRY = re.compile(rf"\b(?:the )?({'|'.join([*LONGER, *_NAMED.split(), 'USA', 'UK'])})\b")

_OUR = "armo|behavi|col|endeav|fav|flav|harb|hon|hum|lab|neighb|od|rum|sav|vap|vig"
_BRITISH = (
    rf"(?:{_OUR})our\w*|(?:cent|theat|lit|fib|(?:centi|kilo|milli)met)res?|(?:cancel|label|level|model|travel)l(?:ed|ing)|"
    r"(?:apolog|organ|real|recogn|special|summar)is(?:e[ds]?|ing|ation)|analys(?:e[ds]?|ing)|programmes?|grey|mould\w*|"
    r"plough\w*|jewellery|fulfil|enrol|defence|licence|practis(?:e[ds]|ing)|cheques?|kerb|tyres?|storeys?|maths|whilst|sceptical"
)
_AMERICAN = (
    rf"(?:{_OUR})or(?:s|ed|ing|able|ite|ites|al|ful|hood)?|(?:cent|theat|lit|fib|(?:centi|kilo|milli)met)ers?|"
    r"(?:cancel|label|level|model|travel)(?:ed|ing)|(?:apolog|organ|real|recogn|special|summar)iz(?:e[ds]?|ing|ation)|"
    r"analyz(?:e[ds]?|ing)|gray|mold\w*|plow\w*|jewelry|fulfill|enroll|defense|skeptical|math"
)
_SPELLED = {
    "British": re.compile(rf"\b(?:{_BRITISH})\b", re.IGNORECASE),
    "American": re.compile(rf"\b(?:{_AMERICAN})\b", re.IGNORECASE),
}
_COMMON = {
    "English": "the and of to is it that you for with are this not have be at on your what can if from as or but",
    "French": "le la les des est une vous que pas pour dans qui sur avec il elle je ce plus votre et du ne",
    "German": "der die das und ist nicht sie ein eine mit auf für den dem von zu ich auch sich wir bitte im",
    "Italian": "il lo gli che di non una per sono con del della è questo come più anche nel ma",
    "Portuguese": "o os que de não uma para com do da em você é como mais isso ao mas no na",
    "Spanish": "el los las que de no una para con del es por está como más tu pero su se lo en muy",
}
_WORDS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
FEWEST = 8
"Words of a paragraph whose language is told"
_DATES = (
    "January February March April May June July August September October November December Monday Tuesday Wednesday Thursday "
    "Friday Saturday Sunday"
)
DATES = frozenset(_DATES.split())
"Words with a capital that are no names"


def countries(text: str) -> set[str]:
    """The countries that a text names in English"""
    return {{"USA": "United States", "UK": "United Kingdom"}.get(name, name) for name in _COUNTRY.findall(text)}


def spelling(text: str) -> set[str]:
    """'British' and 'American', where a text has words that only the one or the other spells so"""
    return {name for name, pattern in _SPELLED.items() if pattern.search(text)}


def language(paragraph: str) -> str:
    """The language whose common words a paragraph has most of; '' for a short one and where two have as many"""
    words = re.findall(r"[^\W\d_]+", paragraph.lower())
    if len(words) < FEWEST:
        return ""
    counts = sorted(((sum(word in common for word in words), name) for name, common in _WORDS.items()), reverse=True)
    (most, name), (next_most, _) = counts[:2]
    return name if most > next_most and most >= len(words) / 8 else ""
