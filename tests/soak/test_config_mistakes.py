"""Two hundred mistakes in configs: misspelt keys, wrong types, values out of range."""

from tests.support.check_config_mistakes import make_data, named
from tests.support.config_mistakes import mistakes


def test_two_hundred_mistakes_are_named_with_their_keys(tmp_path, monkeypatch):
    make_data(tmp_path)
    monkeypatch.chdir(tmp_path)
    chosen = mistakes(200)
    assert len(chosen) == 200
    missed = [result for mistake in chosen if (result := named(mistake))]
    assert not missed
