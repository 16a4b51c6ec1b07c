"""Settings: typed and validated; errors suggest the nearest valid name."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from inithealth.suggest import unknown

if TYPE_CHECKING:
    from inithealth.rules.base import Rule

# Dense while symmetry breaks and during warm-up, then sparse: drift is visible at any later step.
_EARLY = 10
_LATER = frozenset({20, 50, 100, 200, 500, 1000})
_SCHEDULES = ("start", "every")


def _refuse_blank(value: Any) -> Any:
    """Convert one word to a tuple; reject a blank one, which would be a prefix of every code."""
    words = (value,) if isinstance(value, str) else value
    if isinstance(words, (list, tuple)) and any(isinstance(word, str) and not word.strip() for word in words):
        raise ValueError("a blank word matches no rule and no layer")
    return words


Words = Annotated[tuple[str, ...], BeforeValidator(_refuse_blank)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _nearest_key(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    raise ValueError(unknown("setting", str(key), cls.model_fields))
        return data


class Override(_Strict):
    """Options and ignored rules of some layers.

    A finding is judged by the options of all overrides that cover its root-cause layer; if several set an option, the
    last one is used. This includes options that affect several rules: with another
    ``pretrained-weights.max_random_edge`` for some layers, every rule uses it to decide which of these layers are
    trained.
    """

    layers: Words = Field(min_length=1, description="names, or patterns such as 'blocks.*.norm*'")
    ignore: Words = Field((), description="codes, code prefixes or rule names not judged there")
    rules: dict[str, dict[str, Any]] = Field({}, description="options by rule name, there")

    def covers(self, layer: str) -> bool:
        return any(fnmatchcase(layer, pattern) for pattern in self.layers)


class Suppression(_Strict):
    """A finding that is intentional: it is reported with the reason and does not fail the report."""

    rule: str = Field(min_length=1, description="code, code prefix or rule name")
    layers: Words = Field(("*",), min_length=1, description="names or patterns; any of the finding's layers")
    reason: str = Field(pattern=r"\S", description="why the finding is intentional")

    def covers(self, code: str, name: str, layers: Sequence[str]) -> bool:
        """Return whether it applies to a finding of that rule on all of these layers."""
        covered = all(any(fnmatchcase(layer, pattern) for pattern in self.layers) for layer in layers)
        return matches_rule((self.rule,), code, name) and covered


class Settings(_Strict):
    """Schedule, selection of rules and their options.

    Unknown keys, rules and options are rejected with the nearest valid name (``pydantic.ValidationError``, a
    ``ValueError``).
    """

    schedule: Literal["start", "every"] | int = Field(
        "start", description="steps watched: 'start' = 0-9, 20, 50, 100, 200, 500, 1000; 'every'; n = every nth"
    )
    until: int | None = Field(1000, ge=0, description="last step watched; None: no end")
    select: Words = Field((), description="judge only these codes, code prefixes or rule names; empty: all")
    ignore: Words = Field((), description="codes, code prefixes or rule names not judged")
    fail_on: Literal["error", "warning", "info", "never"] = Field("error", description="what makes a report fail")
    sample_bytes: int = Field(
        16 * 2**20, ge=2**16, description="most memory that samples of activations and gradients take in a watched step"
    )
    rules: dict[str, dict[str, Any]] = Field(
        {}, description="options by rule name: {'vanishing-activations': {'min_ratio': 1e-4}}"
    )
    overrides: tuple[Override, ...] = Field((), description="options and ignored rules of some layers")
    suppress: tuple[Suppression, ...] = Field((), description="intentional findings, each with a reason")

    def watches(self, step: int) -> bool:
        """Return whether a step is watched. Step 0 is before any optimizer step."""
        if self.until is not None and step > self.until:
            return False
        if self.schedule == "every":
            return True
        if self.schedule == "start":
            return step < _EARLY or step in _LATER
        return step % self.schedule == 0

    def finished(self, step: int) -> bool:
        """Return whether no step from this one on is watched."""
        last = max(_LATER) if self.schedule == "start" else None
        return any(end is not None and step > end for end in (self.until, last))

    def over(self, step: int) -> str:
        """Return why no step from this one on is watched, and which setting changes that; "" if some are."""
        if not self.finished(step):
            return ""
        return f"not watched: step {step} is past the last of the schedule: set schedule='every' and until=None"

    def selects(self, code: str, name: str) -> bool:
        """Return whether the rule with that code and name is selected."""
        wanted = not self.select or matches_rule(self.select, code, name)
        return wanted and not matches_rule(self.ignore, code, name)

    @field_validator("schedule", "until", "sample_bytes", mode="before")
    @classmethod
    def _no_switch(cls, value: Any) -> Any:
        if isinstance(value, bool):  # True would be accepted as the number 1
            raise ValueError(f"a number of steps or bytes, not {value}")
        return value

    @field_validator("schedule", mode="before")
    @classmethod
    def _nearest_schedule(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in _SCHEDULES and not value.lstrip("-").isdigit():
            raise ValueError(unknown("schedule", value, _SCHEDULES))
        return value

    @field_validator("schedule")
    @classmethod
    def _positive(cls, value: str | int) -> str | int:
        if isinstance(value, int) and value < 1:
            raise ValueError("schedule must be 'start', 'every' or a number of steps of at least 1")
        return value

    @model_validator(mode="after")
    def _known_rules(self) -> Settings:
        if self.select or self.ignore or self.rules or self.overrides or self.suppress:
            # A misspelled name is rejected where it is written; rules are imported only when they are needed.
            self._refuse_unknown()
        return self

    def _refuse_unknown(self) -> None:
        from inithealth.rules.catalogue import refuse_unknown_options, refuse_unknown_rules

        ignored = [word for override in self.overrides for word in override.ignore]
        refuse_unknown_rules([*self.select, *self.ignore, *ignored, *(each.rule for each in self.suppress)])
        for options in (self.rules, *(override.rules for override in self.overrides)):
            refuse_unknown_options(options)

    def selected_rules(self, overrides: Sequence[Override] = ()) -> tuple[Rule, ...]:
        """Return the selected rules with their options, by code; those of some overrides replace the general ones."""
        return tuple(rule for rule in self.configured_rules(overrides) if self.selects(rule.code, rule.name))

    def configured_rules(self, overrides: Sequence[Override] = ()) -> tuple[Rule, ...]:
        """Return all rules with their options, which may affect other rules even if their own rule is not selected."""
        from inithealth.rules.catalogue import catalogue

        self._refuse_unknown()
        layered = (self.rules, *(each.rules for each in overrides))
        options = {rule: [each.get(rule.name, {}) for each in layered] for rule in catalogue()}
        return tuple(rule(**dict(ChainMap(*reversed(own)))) for rule, own in options.items())


def matches_rule(words: tuple[str, ...], code: str, name: str) -> bool:
    """Return whether any of the words is the rule's name, its code or a prefix of its code."""
    return any(name == word or code.startswith(word.upper()) for word in words)


def settings_of(
    given: Settings | Mapping[str, Any] | None, keywords: Mapping[str, Any] | None = None, also: Sequence[str] = ()
) -> Settings:
    """Return the given settings, overridden by those given as keywords.

    Args:
        also: other keywords of the caller, which are included in the search for the nearest name.

    Raises:
        ValueError: an unknown setting, with the nearest valid name, or an invalid value.
    """
    for word in keywords or ():
        if word not in Settings.model_fields:
            raise ValueError(unknown("setting", word, [*Settings.model_fields, *also]))
    if keywords:
        known = given.model_dump() if isinstance(given, Settings) else given or {}
        return Settings.model_validate({**known, **keywords})
    return given if isinstance(given, Settings) else Settings.model_validate(dict(given or {}))
