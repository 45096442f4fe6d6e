"""Group members of the layer on one event loop."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from catmaid_notify.layers.loop_state import GroupMembers

steps = st.lists(st.tuples(st.sampled_from(["add", "discard"]), st.sampled_from("gh"), st.sampled_from("abc")))


@given(steps)
def test_group_members__as_a_dictionary_of_sets_would(done: list[tuple[str, str, str]]) -> None:
    groups = GroupMembers()
    model: dict[str, set[str]] = {}
    for what, group, channel in done:
        if what == "add":
            groups.add(group, channel)
            model.setdefault(group, set()).add(channel)
        else:
            had = bool(model.get(group))
            model.get(group, set()).discard(channel)
            assert groups.discard(group, channel) == (had and not model[group])
        for name in "gh":
            assert sorted(groups.members(name)) == sorted(model.get(name, ()))
    assert sorted(groups.clear()) == sorted(name for name, channels in model.items() if channels)
    assert not groups.members("g")
