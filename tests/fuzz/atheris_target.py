"""A target for atheris, which follows the branches that a file's bytes take. By hand:

pip install atheris
python -m tests.fuzz.atheris_target photo .jpg -max_total_time=600

The words are a boundary of `boundaries.FILES` and the suffix of one of its files; the rest is
libFuzzer's. It stops at the first error that is not ours or names no file, and keeps its bytes.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["depthlib"]):
    from tests.fuzz.boundaries import FILES
from tests.fuzz.campaign import judge_error


def main() -> None:
    name, suffix, *options = sys.argv[1:]
    boundary = FILES[name]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        folder = Path(place)
        boundary.write(folder)
        path = next(path for path in sorted(folder.rglob(f"*{suffix}")) if path.is_file())
        seeds = folder.with_name(f"{folder.name}-seeds")
        seeds.mkdir()
        (seeds / path.name).write_bytes(path.read_bytes())

        def try_bytes(data: bytes) -> None:
            path.write_bytes(data)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    boundary.use(folder, path)
            except Exception as error:
                if judge_error(error, folder, path):
                    raise

        atheris.Setup([sys.argv[0], *options, str(seeds)], try_bytes)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
