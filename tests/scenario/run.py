"""Runs scenarios: see run, and README.md."""

import argparse
import concurrent.futures
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "interop")]

from harness import node as nodes  # noqa: E402
from harness import toolchains  # noqa: E402
from runner import Run, differences  # noqa: E402
from script import Script  # noqa: E402
from values import Mistake  # noqa: E402

SKIPPED = 77


def files(names):
    """The scenarios below the folders and files that are named; all without names."""
    found = []
    for name in names or [HERE]:
        path = next((one for one in (pathlib.Path(name), HERE / name) if one.exists()), None)
        if path is None:
            sys.exit(f"scenario: there is no {name}")
        inner = sorted(one for one in path.rglob("*.txt") if one.name != "CMakeLists.txt")
        found += inner if path.is_dir() else [path]
    return found


def run_one(path, kind, folder, record):
    """The lines that tell what is wrong with one scenario on one kind of node."""
    try:
        script = Script(path)
        with Run(script, kind, folder) as run:
            answers = run.answers()
    except Mistake as mistake:
        return [str(mistake)]
    if record:
        script.write(answers)
        return []
    return differences(script, answers)


def main():
    parser = argparse.ArgumentParser(prog="tests/scenario/run")
    parser.add_argument("names", nargs="*", help="scenarios, or folders of them; all without one")
    parser.add_argument("--broker", choices=["apache", "millrace", "both"], default="millrace")
    parser.add_argument("--millrace", type=pathlib.Path, help="the executable to test")
    parser.add_argument("--record", action="store_true",
                        help="write the expected answers anew, from Apache's")
    parser.add_argument("--jobs", type=int, default=2, help="how many run at a time")
    options = parser.parse_args()
    if options.record and options.broker != "apache":
        parser.error("Apache is the oracle: --record goes with --broker apache")
    if options.millrace:
        nodes.MillraceNode.executable = options.millrace.resolve()
    kinds = ["apache", "millrace"] if options.broker == "both" else [options.broker]
    try:
        if "apache" in kinds:
            toolchains.java()
    except toolchains.Missing as missing:
        print(f"scenario: {missing}")
        return SKIPPED

    paths = files(options.names)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-scenario-"))
    failed = 0
    try:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            runs = {
                pool.submit(run_one, path, kind, folder / f"{kind}-{index}", options.record):
                    f"{kind}: {path.relative_to(HERE) if HERE in path.parents else path}"
                for kind in kinds for index, path in enumerate(paths)}
            for done in concurrent.futures.as_completed(runs):
                lines = done.result()
                failed += bool(lines)
                verdict = "FAILED" if lines else "ok"
                print("\n".join([f"{verdict} {runs[done]}", *lines]), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(runs)} scenarios, {failed} failed")
    return 1 if failed or not runs else 0


if __name__ == "__main__":
    sys.exit(main())
