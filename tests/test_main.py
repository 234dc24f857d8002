"""The command `depthlib`, as a user calls it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from depthlib.__main__ import main
from depthlib.data.images import write_rgb
from depthlib.data.pairs import read_csv
from depthlib.evaluation import evaluate
from depthlib.files import NETWORK, write_ours
from depthlib.metrics import PROTOCOLS
from depthlib.prediction.zoo import open_network


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "in" / "photo.jpg"
    rng = np.random.default_rng(0)
    rgb = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (80, 60))
    write_rgb(path, rgb)
    return path


def refusal(*words):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return str(ended.value.code)


def test_a_photo_becomes_depth_without_slow_imports(photo, tmp_path, project):
    code = (
        "import json, sys; from depthlib.__main__ import main; "
        "status = main(sys.argv[1:]); print(json.dumps([status, sorted(sys.modules)]))"
    )
    words = ["predict", str(photo), "--out", str(tmp_path / "out")]
    command = [sys.executable, "-c", code, *words]
    answer = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    status, modules = json.loads(answer.stdout.splitlines()[-1])
    slow = {"pandas", "matplotlib", "keras", "tensorflow", "sklearn", "scipy", "h5py", "onnx"}
    assert status == 0 and not slow & set(modules)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["depth.csv", "photo_depth_colour.jpg", "photo_depth_mm.png"]
    assert "1 written" in answer.stdout and "focal length is not known" in answer.stderr


def test_a_bad_photo_ends_with_status_1_and_the_good_one_is_done(photo, tmp_path, capsys):
    (photo.parent / "text.jpg").write_text("no photo")
    assert main(["predict", str(photo.parent), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().out
    assert "1 written, 1 failed:" in said and "text.jpg" in said
    assert (tmp_path / "out" / "photo_depth_mm.png").exists()


def test_a_road_at_night_has_metres_of_256_steps(photo, tmp_path):
    words = ["predict", str(photo), "--out", str(tmp_path), "--model", "road", "--focal", "none"]
    assert main(words) == 0
    assert (tmp_path / "photo_depth_m256.png").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--focal", "26"], "did you mean 26mm"),
        (["--focal", "0.75", "--camera", "c.yaml"], "Give --focal or --camera"),
        (["--camera", "gone.yaml"], "gone.yaml"),
        (["--model", "gone.onnx"], "There is no network gone.onnx"),
        (["--model", "light", "--runtime", "onnx", "--save", "jpg"], "`save` must be of"),
        (["--known", "1,2=3"], "A known distance must be"),
        (["--model", ""], "must not be empty. Received: predict "),
        (["--known", "1,2,3,4=1", "--save", "npy", "--focal", "999px"], "failed"),
    ],
)
def test_wrong_words_get_one_line(photo, tmp_path, words, said, capsys):
    given = ["predict", photo, "--out", tmp_path / "out", *words]
    if said == "failed":
        assert main([str(word) for word in given]) == 1
        assert "which no lens has" in capsys.readouterr().out
        return
    line = refusal(*given)
    assert line.startswith("depthlib predict: ") and said in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "a.jpg", "--out", ""],
        ["label", "a.jpg", "--teacher", "light", "--out="],
        ["data", ""],
        ["train", "unet", "--data", "pairs.csv", "--run", ""],
        ["pack", "pairs.csv", "--size=32x48", "--out="],
        ["evaluate", "light", "--data="],
        ["stereo", "board", "--square=0.02", "--out="],
    ],
)
def test_an_empty_word_is_not_taken_for_the_working_folder(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "must not be empty. Received: " in refusal(*words)
    assert not list(tmp_path.iterdir())


def test_an_interrupt_ends_with_its_own_status(photo, tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("depthlib.commands.predict.predict_files", stop)
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(photo), "--out", str(tmp_path / "out")])
    assert ended.value.code == 130
    assert "The same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["train", "resnet34"], ["export", "light", "--to", "onnx"]])
def test_without_the_packages_that_train_what_to_install_is_said(words, project):
    code = (
        "import sys\n"
        "for name in ('keras', 'tensorflow', 'h5py', 'sklearn'): sys.modules[name] = None\n"
        "from depthlib.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, *words]
    answer = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert answer.returncode == 1 and len(answer.stderr.splitlines()) == 1
    assert "pip install -e .[train]" in answer.stderr


def test_networks_and_versions_are_listed(capsys):
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    for name in ("light", "best", "resnet34", "unet", "road"):
        assert f"\n{name} " in said
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and "depthlib 0" in capsys.readouterr().out


def test_networks_are_scored_in_a_table_that_depth_in_files_has_too(tiny_nyu, tmp_path, capsys):
    data = tiny_nyu(tests=3, height=48, width=64) / "nyu2_test.csv"
    table = tmp_path / "scores.csv"
    assert main(["evaluate", "light", "road", "--data", str(data), "--out", str(table)]) == 0
    scores = pd.read_csv(table)
    assert scores[["model", "alignment"]].to_numpy().tolist() == [
        ["light", "none"], ["light", "median"], ["road", "none"], ["road", "median"],
    ]  # fmt: skip
    assert len(scores.columns) == 16 and (scores["images"] == 3).all()
    assert (scores["delta1_low"] <= scores["delta1"]).all()
    assert f"{scores['delta1'][0]:.3f} [" in capsys.readouterr().out

    photos, out = str(data.parent / "nyu2_test" / "*_colors.png"), tmp_path / "out"
    words = ["predict", photos, "--out", str(out), "--save", "npy", "--flip"]
    assert main(words) == 0
    words = ["evaluate", "--depth", str(out), "--data", str(data), "--out", str(table)]
    assert main(words) == 0
    again = pd.read_csv(table)
    numbers = scores.columns[4:]
    np.testing.assert_allclose(again[numbers], scores[numbers][:2], atol=2e-3)

    other = shutil.copytree(data.parent, tmp_path / "other")  # the same photos elsewhere
    words = ["evaluate", "--depth", str(out), "--data", str(other / data.name)]
    assert main(words) == 0
    first, second = sorted((other / "nyu2_test").glob("*_colors.png"))[:2]
    shutil.copy(second, first)
    line = refusal(*words)
    assert f"for {first};" in line and "depth.csv says that it is of " in line


def test_a_score_says_over_which_pixels_it_is(tiny_nyu, tmp_path, capsys):
    data = tiny_nyu(tests=2, height=48, width=64) / "nyu2_test.csv"
    for number in range(2):
        depth = np.full((48, 64), 3.0)
        depth[:, : 32 * number] = 0
        np.save(tmp_path / f"0000{number}_colors.npy", depth)
    words = ["evaluate", "--depth", str(tmp_path), "--data", str(data), "--protocol", "full"]
    assert main([*words, "--align", "none,none"]) == 0
    said = capsys.readouterr().out
    assert said.count("2 (scenes unknown)") == 1 and " 75.00% " in said
    assert "unknown, in 25.00% of an image's pixels on average, and in 50.00% at most" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Give networks or --depth FOLDER. Received: neither"),
        (["light", "--depth", "x"], "Received: both"),
        (["light", "--depth-scale", "0"], "Received: --depth-scale beside networks"),
        (["light", "--protocol", "nyu"], "`protocol` must be one of nyu_bts"),
        (["light", "--spec", "nyu"], "`spec` must be one of nyu_train"),
        (["light", "--align", "mean"], "`align` must be of none, median"),
        (["light", "--align", ","], "`align` must be of none, median"),
        (["light", "--out", "light.keras"], "must end in .csv"),
        (["gone.onnx"], "There is no network gone.onnx"),
        (["--depth", "gone"], "There is no folder gone. Give the one that holds the depth"),
    ],
)
def test_wrong_words_of_a_score_get_one_line(tiny_nyu, words, said):
    data = tiny_nyu() / "nyu2_test.csv"
    line = refusal("evaluate", *words, "--data", data)
    assert line.startswith("depthlib evaluate: ") and said in line


def test_what_is_wrong_with_a_list_is_said_in_words(tiny_nyu):
    root = tiny_nyu(tests=2)
    assert "a folder. Name the CSV in it" in refusal("evaluate", "light", "--data", root)
    own, row = root / "own.csv", "nyu2_test/{0}_colors.png,nyu2_test/{0}_depth.png"
    own.write_text(f"{row.format('00000')}\n{row.format('gone')}\n")
    line = refusal("evaluate", "light", "--data", own, "--spec", "nyu_test")
    assert "must be there, and open to you. Received: " in line and "gone_" in line
    rows = [f"{row.format(f'0000{n}')},{40 + 8 * n}" for n in range(2)]
    own.write_text("\n".join(["rgb,depth,fx", *rows]))
    own.with_suffix(".json").write_text('{"metres_per_count": 0.001, "focal_column": "fx"}')
    own.write_text(own.read_text().replace(",48", ",4800"))
    line = refusal("evaluate", "light", "--data", own)
    assert "'fx' must hold focal lengths" in line and "00001_colors.png" in line
    own.with_suffix(".json").write_text('{"metres_per_count": 0.001, "protocol": "nyu"}')
    for words in ((), ("--protocol", "full")):
        line = refusal("evaluate", "light", "--data", own, *words)
        assert "`protocol` of a dataset must be one of nyu_bts" in line and "own.json" in line
    own.write_text("rgb,right\nnyu2_test/00000_colors.png,nyu2_test/00001_colors.png\n")
    own.with_suffix(".json").write_text('{"encoding": "none", "focal": 0.8, "baseline": 0.1}')
    for words in (("light",), ("--depth", root)):
        line = refusal("evaluate", *words, "--data", own)
        assert "This needs true depth" in line and f"in {root}" in line


def test_the_command_and_python_score_through_the_same_lens(tiny_nyu, tmp_path):
    root = tiny_nyu(tests=3, height=48, width=64)
    own, table = root / "own.csv", tmp_path / "scores.csv"
    shutil.copy(root / "nyu2_test.csv", own)
    found = []
    for focal in (0.81, 1.62):
        own.with_suffix(".json").write_text(f'{{"metres_per_count": 0.001, "focal": {focal}}}')
        main(["evaluate", "light", "--data", str(own), "--out", str(table), "--align", "none"])
        pairs = read_csv(own)
        scores = evaluate(open_network("light"), pairs, PROTOCOLS[pairs.spec.protocol])
        found.append(scores["abs_rel"].mean())
        assert pd.read_csv(table)["abs_rel"][0] == pytest.approx(found[-1], abs=1e-3)
    assert found[0] != pytest.approx(found[1], abs=0.05)


def test_a_table_of_scores_is_not_written_over_the_rows_that_it_is_of(tiny_nyu, tmp_path):
    data, link = tiny_nyu() / "nyu2_test.csv", tmp_path / "link.csv"
    link.symlink_to(data)
    before = data.read_bytes()
    for out in (data, link):
        line = refusal("evaluate", "light", "--data", data, "--out", out)
        assert f"must not be written over its source. Received: {out}, which is {data}" in line
    assert data.read_bytes() == before


def test_a_table_of_ones_own_is_not_written_over_by_scores_and_that_is_said_before_the_work(
    tiny_nyu, tmp_path
):
    mine = tmp_path / "mine.csv"
    mine.write_text("model,note\n")
    line = refusal("evaluate", "gone.onnx", "--data", tiny_nyu() / "nyu2_test.csv", "--out", mine)
    assert f"one's own must not be written over. Received: {mine}" in line
    assert mine.read_text() == "model,note\n"


def test_a_file_that_nobody_named_is_not_written_over_by_an_export(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = tmp_path / "light_int8.onnx"
    write_ours(network, b"an earlier run's", NETWORK)
    line = refusal("export", "light", "--to", "onnx", "--int8")
    assert "Received: light_int8.onnx. Give --out light_int8.onnx, or another name" in line
    network.write_text("mine")
    for words in ((), ("--out", network)):
        line = refusal("export", "light", "--to", "onnx", "--int8", *words)
        assert "light_int8.onnx, which is not as depthlib last wrote it" in line
    assert network.read_text() == "mine"


def test_an_onnx_network_is_no_source_of_an_export(project):
    path = project / "depthlib" / "models" / "light.onnx"
    assert "The runtime keras must have a .keras file" in refusal("export", path, "--to", "onnx")


def test_the_command_is_installed_under_its_name():
    assert 'depthlib = "depthlib.__main__:main"' in Path("pyproject.toml").read_text()
