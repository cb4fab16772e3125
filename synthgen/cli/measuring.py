"""What `synthgen evaluate` measures, prints and writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from synthgen.cli.options import print_json
from synthgen.errors import UsageError

if TYPE_CHECKING:
    from synthgen.metrics.registry import Column

_ORACLE = "oracle"


def check(given: dict[str, Any], out) -> list[Column]:
    """Return the metrics that are asked for; raise UsageError for options that do not go together."""
    from synthgen.metrics.registry import USUAL, columns_of

    if given["synthetic"] and not given["held_out"]:
        raise UsageError("synthetic needs normal images to paste defects on: give --held-out")
    if given["own_size"] and given["refine"]:
        raise UsageError("own_size cannot be given with --refine, which works at the size of the model")
    if given["region"] and given["refine"]:
        raise UsageError("region cannot be given with --refine, which refines whole masks")
    if given["region"] and given["keep_thresholds"]:
        raise UsageError("region cannot be given with --keep-thresholds: detect scores whole images")
    if given["pictures"] and out is None:
        raise UsageError("pictures must have a folder to go to: give --out")

    names = given["metrics"] or USUAL
    if given["oracle"] or given["keep_thresholds"]:
        names = [*names, _ORACLE]
    return columns_of(names, given["trust"])


@dataclass(frozen=True)
class Evaluation:
    """A model that is measured.

    Parameters
    ----------
    model : AnomalyModel
    columns : list of Column
    batch : int
    progress : str
    given : dict
        The options of the command.
    """

    model: Any
    columns: list[Column]
    batch: int
    progress: str
    given: dict[str, Any]

    def thresholds(self):
        """Return the thresholds, and print where they come from."""
        from synthgen.torch.evaluation.limits import kept

        if not self.given["held_out"]:
            own = kept(self.model)
            if own.image is not None:
                _say(f"thresholds: {own.source or 'those that the file keeps'}")
            return self._of_region(own)
        found = self._found()
        _say(f"thresholds: {found.source}")
        return found

    def _of_region(self, thresholds):
        """Return thresholds of a file without that of images, where images score otherwise than in `detect`."""
        if not self.given["region"] or thresholds.image is None:
            return thresholds
        _say("the threshold of images is left out: with --region other scores count; --held-out finds one for them")
        return replace(thresholds, image=None)

    def _found(self):
        """Return the thresholds that normal images give."""
        from synthgen.layouts import open_normal, within
        from synthgen.torch.evaluation import held_out_limits, kept_framing, synthetic_limits, thresholds_of
        from synthgen.torch.evaluation.thresholds import HELD_OUT, SYNTHETIC

        framing = kept_framing(self.model)
        images = open_normal(self.given["held_out"]).with_bits(framing.bits)
        for line in images.left_out:
            _say(line)
        if self.given["region"]:
            images = within(images, self.given["region"])
        if self.given["synthetic"]:
            return thresholds_of(synthetic_limits(self.model, images, self.batch, framing), SYNTHETIC)
        return thresholds_of(held_out_limits(self.model, images, self.batch, framing), HELD_OUT)

    def measured(self, predictions, thresholds) -> list:
        """Return the rows of the table."""
        from synthgen.run.progress import Progress
        from synthgen.torch.evaluation import measure

        count = sum(1 + len(kinds) for _, kinds in predictions.parts())
        with Progress(self.progress, count, unit="rows") as bar:
            return measure(predictions, bar.advance, self.columns, thresholds)

    def intervals(self, predictions, rows: list) -> list[dict]:
        """Return the intervals of what a whole category scores: a row for each metric that has one."""
        from synthgen.torch.evaluation.bounds import bounds_of

        return bounds_of(predictions, rows)

    def show(self, rows: list, bounds: list[dict], as_json: bool) -> None:
        """Print the table, and the intervals below it."""
        from synthgen.torch.evaluation import as_dicts, format_table
        from synthgen.torch.evaluation.bounds import format_bounds

        if as_json:
            print_json(_with_bounds(as_dicts(rows, self.columns), bounds))
            return
        click.echo(format_table(rows, self.columns))
        if bounds:
            click.echo()
            click.echo(format_bounds(bounds))

    def write(self, predictions, rows: list, bounds: list[dict], thresholds, folder: Path) -> None:
        """Write the table, the scores, the anomalies and the plots."""
        import msgspec

        from synthgen.shards.files import write_atomically
        from synthgen.tables import write_csv
        from synthgen.torch.evaluation import as_dicts, kept_framing, panels_of, plot_panels, write_page
        from synthgen.torch.evaluation.anomalies import COLUMNS, anomalies_of

        scores = _scores_of(predictions)
        write_csv(folder / "scores.csv", scores, list(scores[0]))
        plain = _with_bounds(as_dicts(rows, self.columns), bounds)
        table = msgspec.json.format(msgspec.json.encode(plain))
        write_atomically(folder / "table.json", table + b"\n")
        written = ["scores.csv", "table.json"]

        anomalies = anomalies_of(predictions)
        if anomalies:
            write_csv(folder / "anomalies.csv", anomalies, list(COLUMNS))
            written.append("anomalies.csv")
        panels = panels_of(predictions, rows)
        pictures = plot_panels(panels, folder)
        pictures.append(write_page(predictions, rows, panels, kept_framing(self.model), folder))
        if self.given["pictures"]:
            pictures += self._pictures(predictions, thresholds, folder)
        written += [path.name for path in pictures]
        _say(f"{folder}: {', '.join(written)}")

    def _pictures(self, predictions, thresholds, folder: Path) -> list[Path]:
        from synthgen.torch.evaluation import kept_framing
        from synthgen.torch.evaluation.pictures import write_pictures

        framing = kept_framing(self.model)
        size = tuple(self.model.image_size)
        name = self.model.kind
        boxes = None if self.given["own_size"] else lambda shape: framing.seen(shape, size).box
        return write_pictures({name: predictions}, folder, {name: thresholds.pixel}, boxes)


def _scores_of(predictions) -> list[dict]:
    """Return a row for each image."""
    scores = []
    for entry, score in zip(predictions.images.entries, predictions.scores, strict=True):
        row = {"image": entry.name, "category": entry.category, "kind": entry.kind, "score": float(score)}
        scores.append(row)
    if predictions.regions is not None:
        for row, share in zip(scores, predictions.inspected.tolist(), strict=True):
            row["inspected"] = share
    return scores


def _with_bounds(rows: list[dict], bounds: list[dict]) -> list[dict]:
    """Return the rows with the intervals of their metrics, where there are any."""
    if not bounds:
        return rows
    found: dict[str, dict] = {}
    for bound in bounds:
        found.setdefault(bound["category"], {})[bound["metric"]] = [bound["low"], bound["high"]]
    return [row | {"intervals": found.get(row["category"]) if row["kind"] == "all" else None} for row in rows]


def _say(line: str) -> None:
    click.echo(line, err=True)
