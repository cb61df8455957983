from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from plainfilm.datasets.columns import NUMBERS, TEXT, check_labels, completed
from plainfilm.errors import LabelError


def test_a_table_of_ids_gets_every_column_in_order():
    made = completed(pd.DataFrame({"score:A": [1], "film": ["x"], "finding:Mass": [0]}), "ours")
    assert list(made) == [*TEXT, *NUMBERS, "score:A", "finding:Mass"]
    assert made["patient"].item() == "x"
    assert made["path"].item() == ""
    assert np.isnan(made["age"].item())
    assert made["finding:Mass"].dtype == np.float32


def test_text_stays_text():
    films = pd.DataFrame({"film": ["007", "NA", "1e3"], "patient": ["None", "nan", ""]})
    made = completed(films, "ours")
    assert made["film"].tolist() == ["007", "NA", "1e3"]
    assert made["patient"].tolist() == ["None", "nan", "1e3"]


def test_rows_are_numbered_anew():
    assert completed(pd.DataFrame({"film": ["a", "b"]}, index=[5, 5]), "ours").index.tolist() == [0, 1]


def test_a_message_counts_the_values_that_are_wrong():
    values = pd.Series([2.0, 2.0, 0.5, 1.0, np.nan])
    with pytest.raises(LabelError, match=r"here: got the values 2 \(2 times\), 0.5 \(1 times\), expected"):
        check_labels(values, (1, 0), "here")
    check_labels(values, (2, 1, 0.5), "here")
