"""The prompts of judges: Jinja files that come with the plugin, or a file of the user's.

A template is given text that is quoted already, so it cannot forget to. Rendered in Jinja's sandbox. Knows nothing of models.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from lima import LimaError


@dataclass(frozen=True)
class PromptTemplate:
    """One template"""

    source: str
    where: str
    "Its file, for messages"

    def render(self, **variables: Any) -> str:
        """The prompt; LimaError with file and line for what the template does wrong"""
        from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
        )
        try:
            return environment.from_string(self.source).render(**variables).strip()
        except TemplateSyntaxError as e:
            raise LimaError(f"The template {self.where}, line {e.lineno}: {e.message}. Correct it there.") from None
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as e:
            raise LimaError(
                f"The template {self.where} cannot be rendered: {e}. It is given: {', '.join(variables)}."
            ) from None

    def check(self, needed: dict[str, str], **variables: Any) -> None:
        """LimaError unless what it renders has each of the needed texts, by the names of their variables"""
        text = self.render(**variables)
        for name, wanted in needed.items():
            if wanted not in text:
                raise LimaError(f"The template {self.where} does not write {{{{ {name} }}}} as it is given. Add it.")


def template(kind: str, file: str | None) -> PromptTemplate:
    """The template of a kind ('judge' or 'prefer'): the user's file, or the one that comes with the plugin"""
    if file is None:
        shipped = resources.files("lima_judges") / "templates" / kind / "default.jinja"
        return PromptTemplate(shipped.read_text(encoding="utf-8"), f"{kind}/default.jinja")
    try:
        return PromptTemplate(Path(file).read_text(encoding="utf-8"), file)
    except (OSError, UnicodeDecodeError) as e:
        raise LimaError(f"Cannot read the template {file}: {e}. Name a Jinja file in UTF-8.") from None
