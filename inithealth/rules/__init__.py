"""The rules, one per file; `catalogue` finds them by walking this package."""

from inithealth.rules.base import Rule as Rule
