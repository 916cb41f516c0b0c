"""`medembed classify FILE --output FILE`: the specialties of every row of a file."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from medembed_pipeline.classification.classifier import SpecialtyClassifier
from medembed_pipeline.classification.classifiers import classifier_in_service, current_classifier
from medembed_pipeline.classification.errors import ClassificationError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.notes.landing_files import file_format
from medembed_pipeline.notes.reader import ReaderOptions, read_landing_file
from medembed_pipeline.settings import data_lake_url, load_settings
from medembed_pipeline.training.checkpoints import checkpoint_of

UNREADABLE = "unreadable"
SEPARATOR = "; "

OUTPUT_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("labels", pa.list_(pa.string()), nullable=False),
        pa.field("likeliest", pa.string()),
        pa.field("probability", pa.float64()),
        pa.field("set", pa.list_(pa.string()), nullable=False),
        pa.field("abstained", pa.string()),
        pa.field("nearest", pa.list_(pa.string())),
    ]
)

Record = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "file", type=Path, help="CSV, TSV, JSON Lines (also .gz) or Parquet with a column of text"
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="file to write, by its ending: .csv, .jsonl or .parquet"
    )
    parser.add_argument(
        "--classifier",
        type=Path,
        help="folder of a classifier (default: the one in service in the data lake, else the one made last)",
    )
    parser.add_argument(
        "--text-column", default="", help="column of text (default: found by the usual names)"
    )
    parser.add_argument(
        "--explain",
        nargs="?",
        type=int,
        const=5,
        default=0,
        metavar="N",
        help="name the N nearest train notes by their ids (default 5)",
    )


def run(options: argparse.Namespace) -> int:
    """Classify a file, and say how many of its rows are left to people.

    Raises
    ------
    ClassificationError
        no classifier, a file that cannot be read or written, or a number out of range.
    """
    if options.explain < 0:
        raise ClassificationError(f"--explain {options.explain}: expected 0 or more train notes.")
    classifier = _classifier(options.classifier)
    counts = classify_file(
        options.file,
        options.output,
        classifier,
        text_column=options.text_column,
        explain=options.explain,
        progress=sys.stderr.isatty(),
    )
    total, left = sum(counts.values()), sum(count for reason, count in counts.items() if reason)
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()) if reason)
    print(f"{total} rows, {left} left to people{f' ({reasons})' if reasons else ''}: {options.output}")
    return 0


def classify_file(
    source: Path,
    output: Path,
    classifier: SpecialtyClassifier,
    *,
    text_column: str = "",
    explain: int = 0,
    progress: bool = False,
) -> dict[str, int]:
    """Classify every row of a file, in bounded memory; the output appears whole or not at all.

    A row that cannot be read is left to people, with the reason `unreadable: ...`.

    Parameters
    ----------
    source
        of any landing format.
    output
        .csv, .jsonl or .parquet.
    classifier
        that answers.
    text_column
        "" finds it by the usual names.
    explain
        nearest train notes to name for each row.
    progress
        show a bar.

    Returns
    -------
    dict[str, int]
        How many rows there were by the reason of abstention; "" for those that were answered.

    Raises
    ------
    ClassificationError
        the file is missing, cannot be used, or the output's ending is unknown.
    """
    from tqdm import tqdm

    if not source.is_file():
        raise ClassificationError(f"there is no file {source}.")
    if file_format(source.name) is None:
        raise ClassificationError(
            f"{source}: the name must end in .csv, .tsv, .jsonl, .ndjson (also .gz) or .parquet."
        )
    writers: dict[str, Callable[[Path], _Writer]] = {
        ".csv": _CsvWriter,
        ".jsonl": _JsonLinesWriter,
        ".parquet": _ParquetWriter,
    }
    if output.suffix not in writers:
        raise ClassificationError(f"--output {output}: the name must end in .csv, .jsonl or .parquet.")
    counts: dict[str, int] = {}
    staged = output.with_name(f".{output.name}.partial")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        writer = writers[output.suffix](staged)
        try:
            with tqdm(unit="note", desc="classifying", disable=not progress) as bar:
                for records in _answers(source, classifier, text_column, explain):
                    writer.write(records)
                    bar.update(len(records))
                    for record in records:
                        reason = (record["abstained"] or "").partition(":")[0]
                        counts[reason] = counts.get(reason, 0) + 1
        finally:
            writer.close()
        staged.replace(output)
    except OSError as error:
        raise ClassificationError(f"--output {output}: cannot be written ({error.strerror}).") from None
    finally:
        staged.unlink(missing_ok=True)
    return counts


def _answers(
    source: Path, classifier: SpecialtyClassifier, text_column: str, explain: int
) -> Iterator[list[Record]]:
    settings = load_settings()
    options = ReaderOptions(
        text_column=text_column or settings.landing.text_column,
        minimum_characters=0,
        maximum_row_bytes=settings.landing.maximum_row_megabytes * 1024**2,
    )
    for chunk in read_landing_file(lambda: cast(BinaryIO, source.open("rb")), source.name, options):
        rejected = chunk.rejected.select(["source_row", "reason", "detail"]).to_pylist()
        whole_file = [one["detail"] for one in rejected if one["source_row"] == 0]
        if whole_file:
            raise ClassificationError(f"{source}: {whole_file[0]}.")
        kept = chunk.kept.select(["source_row", "text"]).to_pydict()
        records = [
            _record(row, prediction, explain)
            for row, prediction in zip(
                kept["source_row"], classifier.predict(kept["text"], explain=explain), strict=True
            )
        ]
        records += [_unreadable(one["source_row"], one["reason"]) for one in rejected]
        yield sorted(records, key=lambda record: int(record["row"]))


def _record(row: int, prediction: Any, explain: int) -> Record:
    likeliest = next(iter(prediction.probabilities), None)
    return {
        "row": row,
        "labels": prediction.labels,
        "likeliest": likeliest,
        "probability": None if likeliest is None else prediction.probabilities[likeliest],
        "set": prediction.label_set,
        "abstained": prediction.abstained,
        "nearest": [note for note, _ in prediction.nearest] if explain else None,
    }


def _unreadable(row: int, reason: str) -> Record:
    empty = dict.fromkeys(OUTPUT_SCHEMA.names)
    return {**empty, "row": row, "labels": [], "set": [], "abstained": f"{UNREADABLE}: {reason}"}


class _Writer(Protocol):
    """Records into a file."""

    def write(self, records: Sequence[Record]) -> None: ...

    def close(self) -> None: ...


class _CsvWriter:
    """Lists joined by SEPARATOR."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._file, OUTPUT_SCHEMA.names)
        self._writer.writeheader()

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            self._writer.writerow(
                {
                    name: SEPARATOR.join(value) if isinstance(value, list) else value
                    for name, value in record.items()
                }
            )

    def close(self) -> None:
        self._file.close()


class _JsonLinesWriter:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write(self, records: Sequence[Record]) -> None:
        self._file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)

    def close(self) -> None:
        self._file.close()


class _ParquetWriter:
    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, OUTPUT_SCHEMA, compression="zstd")

    def write(self, records: Sequence[Record]) -> None:
        self._writer.write_table(pa.Table.from_pylist(list(records), schema=OUTPUT_SCHEMA))

    def close(self) -> None:
        self._writer.close()


def _classifier(folder: Path | None) -> SpecialtyClassifier:
    if folder is not None:
        return SpecialtyClassifier.from_folder(folder)
    lake = Lake(data_lake_url())
    found = classifier_in_service(lake) or current_classifier(lake)
    needed = found.manifest["encoder"]
    checkpoint = None
    if needed["kind"] == "checkpoint":
        checkpoint = checkpoint_of(lake, needed["version"]).folder
    return SpecialtyClassifier.from_folder(found.folder, checkpoint=checkpoint)
