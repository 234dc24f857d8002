import pytest

from depthlib.networks import shipped
from depthlib.networks.shipped import SHIPPED, find_shipped


def test_each_network_that_ships_has_its_file_of_each_kind_or_an_error_that_says_where(
    tmp_path, monkeypatch, project
):
    for name in SHIPPED:
        assert find_shipped(name, "keras") == project / "models" / f"{name}.keras"
    assert find_shipped("light") == project / "depthlib" / "models" / "light.onnx"
    monkeypatch.setattr(shipped, "CLONED", tmp_path)
    with pytest.raises(FileNotFoundError, match=f"no {tmp_path}/light.keras. .*in a clone of the"):
        find_shipped("light", "keras")
