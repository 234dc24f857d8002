import json
import os
from dataclasses import fields, replace

import keras
import numpy as np
import pandas as pd
import pytest

from depthlib.data.pairs import Pairs, find_pairs
from depthlib.data.specs import NYU_TRAIN, DatasetSpec
from depthlib.files import hold_lock, replace_file
from depthlib.networks.saving import save_model
from depthlib.training import run_folder
from depthlib.training.recipes import Recipe
from depthlib.training.run_folder import (
    check_files,
    check_folder,
    count_epochs,
    hold_folder,
    read_last,
    read_log,
)

RUN = {
    "recipe": Recipe(epochs=3).to_dict(),
    "dataset": "rooms",
    "split": {"training": "0a" * 32, "validation": "0b" * 32},
}
LOG = "epoch,loss,val_delta1,learning_rate,seconds\n" + "".join(
    f"{epoch},0.{epoch}00000000000000{epoch},0.5,0.001,2.5\n" for epoch in range(1, 6)
)


def write_run(folder, run=RUN, names=("last.keras", "log.csv")):
    """A folder as a run leaves it, as far as `check_folder` looks."""
    (folder / "run.json").write_text(json.dumps(run))
    for name in names:
        (folder / name).write_text("")


def change(**fields):
    return {**RUN, "recipe": {**RUN["recipe"], **fields}}


def test_a_file_is_no_folder_for_a_run(tmp_path):
    (tmp_path / "pairs.csv").write_text("mine")
    for path in (tmp_path / "pairs.csv", tmp_path / "pairs.csv" / "run"):
        with pytest.raises(NotADirectoryError, match=f"Received: {path}, which is or lies in"):
            with hold_folder(path):
                pass


def test_a_run_goes_on_with_depth_that_is_stored_as_it_was(tiny_nyu, tmp_path):
    pairs, _ = find_pairs(tiny_nyu(), NYU_TRAIN)
    run = run_folder.describe_run(Recipe(epochs=3), [pairs], pairs)
    write_run(tmp_path, run)
    check_folder(tmp_path, json.loads(json.dumps(run)))
    changes = {"metres_per_count": 0.02, "max_depth": 9.0, "focal": 0.7, "border": (0, 1, 0, 0.9)}
    changes |= {"baseline": 0.5, "centre": (0.5, 0.6)}
    for field, value in changes.items():
        changed = replace(pairs, spec=replace(NYU_TRAIN, **{field: value}))
        now = run_folder.describe_run(Recipe(epochs=3), [changed], changed)
        with pytest.raises(ValueError, match=f"differs in {field}: .* there, .* now"):
            check_folder(tmp_path, now)
    run.pop("stored")  # as earlier versions wrote it
    write_run(tmp_path, run)
    check_folder(tmp_path, run_folder.describe_run(Recipe(epochs=3), [pairs], pairs))


@pytest.fixture
def files(tmp_path):
    """Two pairs with confidence and another view each, whose files are texts."""
    names = ("rgb", "depth", "confidence", "next")
    table = pd.DataFrame({name: [f"{name}/0.png", f"{name}/1.png"] for name in names})
    table.loc[1, "next"] = ""
    for path in filter(None, table.to_numpy().ravel()):
        (tmp_path / "set" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / path).write_text(path)
    return Pairs(tmp_path / "set", table.assign(scene="den"), NYU_TRAIN)


@pytest.mark.parametrize("when", [1, 4_000_000_000])
@pytest.mark.parametrize("name", ["rgb", "depth", "confidence", "next"])
def test_a_run_goes_on_with_copies_of_its_files_and_not_with_others_of_the_same_names(
    files, tmp_path, name, when
):
    run = {**RUN, "files": check_files(tmp_path, [files.select([0]), files.select([1])])}
    write_run(tmp_path, run)
    for path in files.root.rglob("*.png"):
        os.utime(path, (when, when))
    check_files(tmp_path, [files])
    path = files.root / name / "0.png"
    path.write_text("other")
    os.utime(path, (when, when))
    with pytest.raises(ValueError, match=f"of the column {name} have changed: the newest is"):
        check_files(tmp_path, [files])
    path.unlink()
    with pytest.raises(ValueError, match=f"{path} is gone. Put the old ones back"):
        check_files(tmp_path, [files])
    write_run(tmp_path)  # an earlier version noted none
    check_files(tmp_path, [files])


def test_files_in_one_of_arrays_are_the_file(tmp_path, files):
    (tmp_path / "set" / "all.npz").write_text("arrays")
    names = ["all.npz/depth/0", "all.npz/depth/1"]
    pairs = replace(files, table=files.table.assign(depth=names))
    write_run(tmp_path, {**RUN, "files": check_files(tmp_path, [pairs])})
    check_files(tmp_path, [pairs])
    (tmp_path / "set" / "all.npz").write_text("other arrays")
    with pytest.raises(ValueError, match="of the column depth have changed: .*all.npz"):
        check_files(tmp_path, [pairs])


def test_other_focal_lengths_of_the_same_photos_are_another_run(tiny_nyu, tmp_path):
    pairs, _ = find_pairs(tiny_nyu(), NYU_TRAIN)
    shares = np.linspace(0.7, 0.9, len(pairs))
    pairs = replace(pairs, table=pairs.table.assign(focal_share=shares))
    write_run(tmp_path, run_folder.describe_run(Recipe(epochs=3), [pairs], pairs))
    check_folder(tmp_path, run_folder.describe_run(Recipe(epochs=3), [pairs], pairs))
    other = replace(pairs, table=pairs.table.assign(focal_share=shares[::-1]))
    with pytest.raises(ValueError, match="differs in focal_lengths"):
        check_folder(tmp_path, run_folder.describe_run(Recipe(epochs=3), [other], other))


# What decides about truth and view, each with another value than NYU's; and what does not: where
# files lie, how they are checked and scored, and a height that training ignores.
CHANGES = {
    "depth_dtype": "uint16", "metres_per_count": 0.001, "min_depth": 0.2, "max_depth": 8.0,
    "median_range": (0.5, 9.0), "coverage_range": (0.1, 1.0), "invalid_counts": (0, 255),
    "border": (0.0, 1.0, 0.0, 0.9), "focal": 0.7, "aspect": 1.5, "horizon": 0.4,
    "empty_is_far": True, "encoding": "disparity", "pixels_per_count": 2.0, "count_offset": -1.0,
    "focal_baseline": 90.0, "key": "depth", "most_outside": 0.2, "centre": (0.5, 0.6),
    "baseline": 0.12, "camera_height": 1.6,
}  # fmt: skip
UNSEEN = {
    "photo", "depth", "protocol", "made_by", "scenes", "focal_column", "lower_is_nearer",
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_dataset_that_means_something_else_is_another_run(tiny_nyu, tmp_path, name):
    assert {field.name for field in fields(DatasetSpec)} == {"name", *CHANGES, *UNSEEN}
    pairs, _ = find_pairs(tiny_nyu(), NYU_TRAIN)
    write_run(tmp_path, run_folder.describe_run(Recipe(epochs=3), [pairs], pairs))
    other = replace(pairs, spec=replace(pairs.spec, **{name: CHANGES[name]}))
    with pytest.raises(ValueError, match=f"whose run differs in {name}: "):
        check_folder(tmp_path, run_folder.describe_run(Recipe(epochs=3), [other], other))


def test_what_a_run_goes_on_from_takes_a_tenth_of_the_time_at_most(tmp_path, monkeypatch):
    now, epochs, saves = [0.0], [], []
    monkeypatch.setattr(run_folder.time, "perf_counter", lambda: now[0])

    def save(model, path):
        now[0] += 2.0
        saves.append(epochs[-1])

    monkeypatch.setattr(run_folder, "save_model", save)
    record = run_folder.RunRecord(tmp_path, 0, "delta1")
    record.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    record.model.compile("sgd", "mse")
    record.set_params({"epochs": 30})
    for epoch in range(30):
        epochs.append(epoch)
        record.on_epoch_begin(epoch)
        now[0] += 5.0
        record.on_test_end()
        # The first is the best, so that no best.keras comes between.
        record.on_epoch_end(epoch, {"loss": 1.0, "val_delta1": float(epoch == 0)})
    assert saves == [0, 0, 4, 8, 12, 16, 20, 24, 28, 29]  # 20 s apart, 2 s each


def test_a_loss_that_is_no_number_stops_the_run_and_writes_nothing(tmp_path):
    record = run_folder.RunRecord(tmp_path, 0, "delta1")
    with pytest.raises(FloatingPointError, match="nan in epoch 3. Lower `learning_rate`"):
        record.on_epoch_end(2, {"loss": float("nan"), "val_delta1": 0.5})
    assert not list(tmp_path.iterdir())


def test_a_loss_of_no_pixel_at_all_stops_the_run_and_writes_nothing(tmp_path):
    record = run_folder.RunRecord(tmp_path, 0, None)
    with pytest.raises(ValueError, match="no pixel has a weight. Confidence maps"):
        record.on_epoch_end(0, {"loss": 0.0})
    assert not list(tmp_path.iterdir())


def test_a_run_of_before_a_field_came_goes_on_where_the_field_has_its_default(tmp_path):
    old = change()
    del old["recipe"]["cut_depth"]
    write_run(tmp_path, old)
    check_folder(tmp_path, RUN)
    with pytest.raises(ValueError, match="hold one run.*in cut_depth: 0.0 there, 0.5 now. Choose"):
        check_folder(tmp_path, change(cut_depth=0.5))


def test_an_old_runs_whole_numbers_are_the_same_numbers(tmp_path):
    write_run(tmp_path, change(loss_weights=[1, 3, 0.1], jitter=0))
    check_folder(tmp_path, change(jitter=0.0))


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (change(learning_rate=0.001), "learning_rate: 0.0005 there, 0.001 now"),
        (
            change(weights="imagenet", seed=7),
            "weights: None there, 'imagenet' now; seed: 0 there, 7",
        ),
        (change(counts=[8, 2]), r"counts: None there, \[8, 2\] now"),
        ({**RUN, "dataset": "roads"}, "dataset: 'rooms' there, 'roads' now"),
        (
            {**RUN, "split": {"training": "0a" * 32 + "+" + "0c" * 32, "validation": "0b" * 32}},
            r"training pairs: '0a0a0a0a0a0a' there, '0a0a0a0a0a0a\+0c0c0c0c0c0c' now",
        ),
    ],
)
def test_what_differs_from_the_run_in_a_folder_is_said_with_both_values(tmp_path, now, said):
    write_run(tmp_path)
    with pytest.raises(ValueError, match=f"hold one run. Received: {tmp_path}.*differs in {said}"):
        check_folder(tmp_path, now)


def test_a_run_that_is_to_be_longer_is_told_how_a_new_one_goes_on_from_it(tmp_path):
    write_run(tmp_path, names=("last.keras", "log.csv", "best.keras"))
    command = f"depthlib train RECIPE weights={tmp_path}/best.keras epochs=5 --data CSV --run "
    with pytest.raises(ValueError, match="epochs: 3 there, 8 now.*rate of zero.*" + command):
        check_folder(tmp_path, change(epochs=8))
    for now in (change(epochs=2), change(epochs=8, seed=1)):
        with pytest.raises(ValueError, match="epochs: 3 there.* Choose another folder"):
            check_folder(tmp_path, now)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "5", "null", '"run"', "{}", '{"recipe": {}}', '{"recipe": 5, "split": {}}',
        '{"recipe": {}, "split": {}}', '{"recipe": {"epochs": "x"}, "dataset": "a", "split": {}}',
        '{"recipe": {}, "dataset": "a", "split": {"training": 5}}', "[" * 100_000, "\udc80",
    ],
    ids=range(14),
)  # fmt: skip
def test_a_run_json_that_is_none_is_refused_by_name_and_stays(tmp_path, text):
    write_run(tmp_path)
    held = text.encode("utf-8", "surrogateescape")
    (tmp_path / "run.json").write_bytes(held)
    with pytest.raises(
        ValueError, match=f"as the run wrote it. Received: {tmp_path}/run.json.*new"
    ):
        check_folder(tmp_path, RUN)
    assert (tmp_path / "run.json").read_bytes() == held


def test_fields_of_a_newer_version_are_named_with_the_version(tmp_path):
    newer = {**change(sharpness=0.5, beams=3, network="vit"), "versions": {"depthlib": "9.0"}}
    write_run(tmp_path, newer)
    with pytest.raises(ValueError, match="beams, sharpness in .*run.json.*'depthlib': '9.0'"):
        check_folder(tmp_path, RUN)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("run.json", "log.csv"), "log.csv but no last.keras"),
        (("run.json", "best.keras"), "best.keras but no last.keras"),
        (("run.json", "best.keras", "log.csv"), "best.keras, log.csv but no last.keras.*weights="),
        (("run.json", "epochs"), "epochs but no last.keras"),
        (("last.keras",), "last.keras but no run.json"),
        (("last.keras", "log.csv", "best.keras"), "but no run.json.*weights=.*/best.keras"),
        (("log.csv",), "log.csv but no run.json and no last.keras"),
        (("history.png",), "history.png but no run.json and no last.keras"),
    ],
)
def test_a_folder_that_lacks_what_a_run_goes_on_from_is_never_begun_again(tmp_path, names, said):
    for name in names:
        (tmp_path / name).write_text(json.dumps(RUN) if name == "run.json" else "held")
    with pytest.raises(ValueError, match=f"Received: {tmp_path}, which holds .*{said}"):
        check_folder(tmp_path, RUN)


def test_a_folder_in_which_nothing_was_trained_yet_is_begun(tmp_path):
    (tmp_path / "photo.jpg").write_text("a user's")
    check_folder(tmp_path, RUN)
    write_run(tmp_path, names=())
    check_folder(tmp_path, RUN)


def test_one_process_at_a_time_trains_in_a_folder_and_clears_it(tmp_path):
    folder = tmp_path / "run"
    with hold_folder(folder):
        (folder / "run.json").write_text("{}")
        with pytest.raises(BlockingIOError, match=f"{folder}/run.lock. Wait .*another folder"):
            with hold_folder(folder):
                pass
    left = [
        replace_file(folder / name) for name in ("last.keras", "best.keras", "epochs/002.keras")
    ]
    paths = [each.__enter__() for each in left]
    with hold_lock(folder / "run.lock"), pytest.raises(BlockingIOError):
        with hold_folder(folder):
            pass
    assert all(path.exists() for path in paths)  # another process writes them
    with hold_folder(folder):
        assert not any(path.exists() for path in paths)
    assert (folder / "run.json").exists()


def test_a_folder_that_no_run_began_in_is_left_as_it_was(tmp_path):
    with pytest.raises(KeyError), hold_folder(tmp_path / "new"):
        raise KeyError
    assert not (tmp_path / "new").exists()
    with hold_folder(tmp_path / "with a cache"):
        (tmp_path / "with a cache" / "rgb.npy").write_text("")
    assert [path.name for path in (tmp_path / "with a cache").iterdir()] == ["rgb.npy"]
    (tmp_path / "mine").mkdir()
    with hold_folder(tmp_path / "mine"):
        pass
    with pytest.raises(KeyError), hold_folder(tmp_path / "mine"):
        raise KeyError
    assert (tmp_path / "mine").exists() and not any((tmp_path / "mine").iterdir())
    with hold_folder(tmp_path / "runs" / "first"):
        pass
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
@pytest.mark.parametrize("name", ["run.json", "log.csv", "last.keras"])
def test_one_process_reads_no_file_of_a_folder_before_it_is_checked(tmp_path, name):
    os.mkfifo(tmp_path / name)  # reading it would wait for ever
    with run_folder.share_folder(tmp_path) as shared:
        assert shared == tmp_path


def test_the_log_has_the_rows_that_the_network_has_done_to_the_last_digit(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    log = read_log(tmp_path, 3)  # the two others were written by a process that was killed
    assert log["epoch"].tolist() == [1, 2, 3]
    assert log["loss"].tolist() == [0.1000000000000001, 0.2000000000000002, 0.3000000000000003]
    assert list(log) == ["epoch", "loss", "val_delta1", "learning_rate", "seconds"]
    assert len(read_log(tmp_path, 5)) == 5
    assert read_log(tmp_path / "none", 0).empty


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("", "No columns"),
        (LOG.replace("\n3,", "\n4,"), "epochs 1, 2, 4, 4"),
        ("\n".join(LOG.splitlines()[:4]), "epochs 1, 2, 3"),
        ("\n".join(LOG.splitlines()[:1]), "epochs none"),
        ("\n".join(line for line in LOG.splitlines() if line[0] != "3"), "epochs 1, 2, 4, 5"),
        (LOG.replace("\n3,", "\nthree,"), "three"),
        (LOG.replace("\n3,0.3000000000000003", "\n3,"), "epochs 1, 2, 3, 4"),
        (LOG.replace("\n3,", "\n3,,"), "line 4"),
        (LOG.replace("epoch,loss", "loss"), "epoch"),
        (LOG.replace("\n", ",1\n").replace(",1", "", 1), "epochs 0.1, 0.2, 0.3, 0.4"),
        (LOG.replace("seconds", "time"), "seconds"),
        (LOG.replace("epoch,", ""), "epoch"),
        ("\0\x01 no table", "None of"),
        ("\udcff\udcfe", ""),
    ],
)
def test_a_log_without_a_row_of_each_epoch_is_refused_by_name_and_stays(tmp_path, text, said):
    path = tmp_path / "log.csv"
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(
        ValueError, match=f"each of the 4 epochs.* Received: {path}: .*{said}.*in another folder"
    ):
        read_log(tmp_path, 4)
    assert path.exists() == (text is not None)
    assert text is None or path.read_bytes() == text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LOG.replace("0.5,0.001", "half,0.001"), "half"),
        (LOG.replace("0.5,0.001", '"0,5",0.001'), "0,5"),
        (LOG.replace("val_delta1", "delta1"), "val_delta1"),
    ],
)
def test_a_log_that_does_not_say_which_epoch_was_best_is_refused_by_name(tmp_path, text, said):
    (tmp_path / "log.csv").write_text(text)
    (tmp_path / "best.keras").write_text("")
    with pytest.raises(ValueError, match=f"Received: {tmp_path / 'log.csv'}: .*{said}.*Put the"):
        run_folder.RunRecord(tmp_path, 4, "delta1")
    assert len(run_folder.RunRecord(tmp_path, 4, None).log) == 4  # nothing validates there


def test_a_run_whose_best_network_is_gone_does_not_end_without_one(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    with pytest.raises(ValueError, match=f"best.keras must be .*Received: {tmp_path} without it"):
        run_folder.RunRecord(tmp_path, 4, "delta1")
    # None is due where no validation has given a number yet, or nothing validates.
    (tmp_path / "log.csv").write_text(LOG.replace("0.5,0.001", ",0.001"))
    for metric in ("delta1", None):
        assert len(run_folder.RunRecord(tmp_path, 4, metric).log) == 4


def test_an_epoch_without_a_number_hides_none_that_is_better(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(run_folder, "save_model", lambda model, path: saved.append(path.name))
    (tmp_path / "best.keras").write_text("")
    (tmp_path / "log.csv").write_text(LOG.replace("0.5,0.001", ",0.001", 1))
    record = run_folder.RunRecord(tmp_path, 3, "delta1")
    record.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    record.model.compile("sgd", "mse")
    record.set_params({"epochs": 30})
    for epoch, value in enumerate((0.4, 0.6), start=3):
        record.on_epoch_begin(epoch)
        record.on_test_end()
        record.on_epoch_end(epoch, {"loss": 1.0, "val_delta1": value})
    assert saved.count("best.keras") == 1


def test_a_network_goes_on_only_whole_with_its_optimizer_and_after_whole_epochs(tmp_path):
    assert read_last(tmp_path) is None
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    path = tmp_path / "last.keras"
    model.save(path)
    with pytest.raises(ValueError, match="Received: .*last.keras: It has no optimizer"):
        read_last(tmp_path)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(8)
    model.save(path)
    whole = path.read_bytes()
    held = read_last(tmp_path)
    assert count_epochs(tmp_path, held, 4, 3) == 2
    for steps, epochs in ((3, 3), (4, 1)):
        with pytest.raises(ValueError, match="must be of this run.*last.keras after 8 steps. Put"):
            count_epochs(tmp_path, held, steps, epochs)
    # Keras itself reads a network whose weights have another bit.
    kernel = held.get_weights()[0].tobytes()
    damaged = bytearray(whole)
    damaged[whole.index(kernel) + 2] ^= 1
    (tmp_path / "best.keras").write_bytes(whole)
    for data in (bytes(damaged), b"", b"no zip", whole[:-100], whole[100:]):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="Received: .*last.keras.*Put it back, or .*weights="):
            read_last(tmp_path)
        assert path.read_bytes() == data


def test_a_run_can_be_described_where_there_is_no_git(tiny_nyu, monkeypatch, tmp_path):
    pairs, _ = find_pairs(tiny_nyu(scenes=1), NYU_TRAIN)
    monkeypatch.setenv("PATH", str(tmp_path))
    run = run_folder.describe_run(Recipe(), [pairs], pairs)
    assert run["versions"]["commit"] == "" and run["counts"]["training"] == len(pairs)


def test_a_model_that_cannot_be_written_whole_leaves_the_old_one(tmp_path):
    class Model:
        def save(self, path):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    path = tmp_path / "last.keras"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="last.keras.*No space left.*untouched"):
        save_model(Model(), path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["last.keras"]
