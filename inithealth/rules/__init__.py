"""The catalogue: one rule a file, found by walking this package."""

from inithealth.rules.base import Rule as Rule
