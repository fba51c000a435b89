"""What pack and pad have in common: the format of rows, and the steps that prepare documents for rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from resumable_data.arguments import as_bool, as_integer, as_text, optional
from resumable_data.assembly.row_format import RowFormat
from resumable_data.errors import PipelineError
from resumable_data.reading.fields import Fields, field_dtypes, token_fields
from resumable_data.reading.learnt import learnt_from, with_field
from resumable_data.reading.step import Step
from resumable_data.reading.token_ids import TokenIds
from resumable_data.stages.count_scored import CountScored
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.stage import DocumentStage, check_token
from resumable_data.stages.supplied_eod import supplied_eod, warn_of_padding
from resumable_data.stages.truncate import Truncate, as_side
from resumable_data.state import Settings


@dataclass(frozen=True)
class RowSettings:
    """How documents become rows.

    Attributes:
        stage: What an error calls the stage.
        format: Row length and special tokens.
        truncate: Where a document longer than a row is cut, ``"left"`` or ``"right"``; None to split it.
        drop_unscored: Whether a document without a scored token is dropped.
        tokens: The key of the tokens, where documents are mappings.
        vocab_size: Number of tokens of the model, or None. It does not affect the order, and is not a setting.

    Raises:
        PipelineError: Rows cannot be made with these settings.
    """

    stage: str
    format: RowFormat
    truncate: str | None = None
    drop_unscored: bool = False
    tokens: str | None = None
    vocab_size: int | None = None

    def __post_init__(self) -> None:
        self._check_tokens()
        token_fields(self.stage, self.tokens, self.format.fields)
        if self.drop_unscored and self.format.learnt is None:
            raise PipelineError(
                f"{self.stage}: drop_unscored=True needs a field that says what is scored: loss_mask=… or labels=…"
            )
        if self.drop_unscored and self.truncate is None:
            raise PipelineError(
                f"{self.stage}: drop_unscored=True needs truncate='left' or 'right': a document that is split "
                "could have a row without a scored token"
            )

    @classmethod
    def of(
        cls,
        stage: str,
        documents: DocumentStage,
        *,
        length: object,
        eod_id: object,
        pad_id: object,
        fields: Fields,
        loss_mask: object,
        labels: object,
        truncate: object,
        drop_unscored: object,
        tokens: object,
        vocab_size: object,
    ) -> RowSettings:
        """Checks the settings that a user gives to ``pack`` or ``pad``.

        Raises:
            PipelineError: A setting has a wrong type, or rows cannot be made with it.
        """
        dtypes = field_dtypes(stage, fields)
        mask = optional(as_text, f"{stage}: loss_mask", loss_mask)
        learnt = learnt_from(stage, dtypes, mask, optional(as_text, f"{stage}: labels", labels))
        pad_id = as_integer(f"{stage}: pad_id", pad_id)
        warn_of_padding(documents, stage, pad_id)
        row_format = RowFormat(
            as_integer(f"{stage}: length", length),
            supplied_eod(documents, stage) if eod_id is None else as_integer(f"{stage}: eod_id", eod_id),
            pad_id,
            fields=dtypes if learnt is None else with_field(dtypes, learnt.field),
            learnt=learnt,
        )
        return cls(
            stage,
            row_format,
            as_side(f"{stage}: truncate", truncate),
            as_bool(f"{stage}: drop_unscored", drop_unscored),
            optional(as_text, f"{stage}: tokens", tokens),
            optional(as_integer, f"{stage}: vocab_size", vocab_size),
        )

    @property
    def reads_documents(self) -> bool:
        """Whether only reading shows which documents fill rows."""
        return self.drop_unscored

    def settings(self) -> Settings:
        """Returns the settings that decide the rows."""
        learnt = self.format.learnt
        return {
            "length": self.format.length,
            "eod_id": self.format.eod_id,
            "pad_id": self.format.pad_id,
            "fields": dict(self.format.fields) or None,
            "learnt": None if learnt is None else [learnt.field, learnt.but],
            "truncate": self.truncate or False,
            "drop_unscored": self.drop_unscored or None,
            "tokens": self.tokens,
        }

    def tell(self, context: OpenContext) -> OpenContext:
        """Returns the context for the documents below."""
        fields = token_fields(self.stage, self.tokens, self.format.fields)
        steps = self._steps(context.shift)
        return replace(context, fields=fields, vocab_size=self.vocab_size, row_steps=steps)

    def _steps(self, shift: str) -> tuple[Step, ...]:
        """Returns the last steps before rows."""
        steps: list[Step] = []
        if self.truncate is not None:
            steps.append(Truncate(self.format.length, self.truncate))
        if self.format.learnt is not None:
            steps.append(CountScored(self.format.learnt, first=shift != "targets", drop=self.drop_unscored))
        return tuple(steps)

    def _check_tokens(self) -> None:
        if self.format.length < 1:
            raise PipelineError(f"{self.stage}: length={self.format.length} must be at least 1 token a row")
        special = {"eod_id": self.format.eod_id, "pad_id": self.format.pad_id}
        for name, token in special.items():
            check_token(self.stage, name, token)
        if self.vocab_size is None:
            return
        TokenIds(self.vocab_size)  # raises for an impossible size
        for name, token in special.items():
            if token >= self.vocab_size:
                raise PipelineError(
                    f"{self.stage}: {name}={token} is not one of the ids 0 to {self.vocab_size - 1} (vocab_size)"
                )
