"""The command line: ``inithealth check package.module:factory``."""
