"""What is wrong with settings, told all at once."""

from __future__ import annotations

from dataclasses import dataclass

from dialfeed.exits import WrongUseError


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong setting. `value` is masked where it may hold a secret."""

    name: str
    value: str
    rule: str
    example: str

    def __str__(self) -> str:
        return f"{self.name} is {self.value}: must be {self.rule}. Example: {self.name}={self.example}"


class SettingsError(WrongUseError):
    """Every setting that is wrong, at once."""

    def __init__(self, problems: list[Problem]) -> None:
        count = "a setting is" if len(problems) == 1 else f"{len(problems)} settings are"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{count} wrong:{lines}", "Correct it in the environment, in .env or in the options.")
        self.problems = problems
