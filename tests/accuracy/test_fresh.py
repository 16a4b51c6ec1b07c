"""Tests of the fresh half: it is skipped by default, and has no families in common with the other halves."""

from __future__ import annotations

from benchmarks.faults.catalogue import FRESH_HOSTS, HOSTS, MOST_FAULTS
from benchmarks.forecast.grid import PLANS
from benchmarks.fresh import nets, plans
from benchmarks.healthy import NETS
from benchmarks.judging.entries import entries, every_entry, trainings
from benchmarks.judging.halves import FRESH, HALVES


def test_the_fresh_half_is_skipped_by_default() -> None:
    assert not [entry for entry in entries().values() if entry.half == FRESH]
    fresh = entries((FRESH,))
    assert {entry.half for entry in fresh.values()} == {FRESH}
    assert {entry.part for entry in fresh.values()} == {"healthy", "hosts", "faults", "forecast"}
    assert entries().keys() | fresh.keys() == entries(HALVES).keys() == every_entry().keys()


def test_no_family_is_in_another_half() -> None:
    for fresh, known in ((nets.NETS, NETS), (plans.PLANS, PLANS)):
        assert not {each.name for each in fresh} & {each.name for each in known}
        assert not {each.family for each in fresh} & {each.family for each in known}
    assert not FRESH_HOSTS.keys() & HOSTS.keys()


def test_no_two_networks_have_the_same_family() -> None:
    assert len({net.family for net in nets.NETS}) == len(nets.NETS) >= 70
    assert len({plan.name for plan in plans.PLANS}) == len(plans.PLANS) == 120


def test_every_fresh_host_has_the_maximum_number_of_faults() -> None:
    faults = [entry.family for entry in entries((FRESH,)).values() if entry.part == "faults"]
    assert {host: faults.count(host) for host in FRESH_HOSTS} == dict.fromkeys(FRESH_HOSTS, MOST_FAULTS)


def test_only_hosts_of_the_selected_half_are_trained() -> None:
    assert {host for host, *_ in trainings((FRESH,))} == FRESH_HOSTS.keys()
    both = [*trainings((FRESH,)), *trainings(("held out", "fitted"))]
    assert sorted(both) == sorted(trainings())
