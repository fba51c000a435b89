"""The programs and the template of docs/fine_tuning.md, as they stand there."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.chats import conversation, directly, new_chat_tokenizer
from property_tests.testing.running import through_json

PAGE = (Path(__file__).parents[1] / "docs" / "fine_tuning.md").read_text()
FIRST, OTHER_TEMPLATE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(TEMPLATE,) = re.findall(r"```jinja\n(.*?)```", PAGE, re.DOTALL)
RECORDS = [{"messages": conversation(number)} for number in range(50)]


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    new_chat_tokenizer(TEMPLATE).save_pretrained("path/of/tokenizer")
    Path("chat_template.jinja").write_text(TEMPLATE)
    Path("chats.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in [*RECORDS, {"messages": []}]))
    found: dict[str, Any] = {"rd": rd}
    exec(FIRST, found)
    return found


def test_rows_learn_the_assistant_and_resume(names: dict[str, Any]) -> None:
    tokenizer = new_chat_tokenizer(TEMPLATE)
    written = {"".join(f"{one['content']}<|im_end|>" for one in record["messages"][-1:]) for record in RECORDS}

    with iter(names["batches"]) as batches:
        first = next(batches)
        state = through_json(batches.get_state())
        rest = [batch.targets.tobytes() for batch in islice(batches, 3)]
    learnt = {tokenizer.decode(row.targets[row.targets_segmentation > 0]) for row in first}
    assert all(any(text.endswith(last) for last in written) for text in learnt)
    assert np.array_equal(first.weights, first.targets_segmentation > 0)
    with iter(names["batches"]) as batches:
        batches.set_state(state)
        assert [batch.targets.tobytes() for batch in islice(batches, 3)] == rest


def test_the_template_is_taken_from_its_file(names: dict[str, Any]) -> None:
    chats = eval(OTHER_TEMPLATE.partition("\n\n")[2], {**names, "Path": Path})

    found = next(iter(chats))
    assert (found["tokens"].tolist(), found["assistant_masks"].tolist()) == directly(
        RECORDS[0]["messages"], new_chat_tokenizer(TEMPLATE)
    )
    assert 0 < found["assistant_masks"].sum() < len(found["tokens"])
