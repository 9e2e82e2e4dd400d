from __future__ import annotations

import pytest

from archive_server import chip_row
from celestialkeras.errors import ManifestError
from celestialkeras.lcid.archive_plan import MAST_URL, plan_products

ROWS = [chip_row("j8bt05akq"), chip_row("j8bt05akq", hdu=4), chip_row("j8bt05anq"), chip_row("j8bt05aqq")]


def test_two_chips_of_an_exposure_are_one_file() -> None:
    products = plan_products(ROWS)
    assert [(product.name, len(product.rows)) for product in products] == [
        ("j8bt05akq_raw.fits", 2),
        ("j8bt05anq_raw.fits", 1),
        ("j8bt05aqq_raw.fits", 1),
    ]
    assert products[0].wanted == {"1 ACS/WFC F814W", "4 ACS/WFC F814W"}


def test_a_limit_counts_files() -> None:
    assert [product.name for product in plan_products(ROWS, "flc", limit=2)] == [
        "j8bt05akq_flc.fits",
        "j8bt05anq_flc.fits",
    ]


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (MAST_URL, "https://mast.stsci.edu/api/v0.1/Download/file?uri=mast:HST/product/j8bt05akq_raw.fits"),
        ("http://host/get?site=2", "http://host/get?site=2&uri=mast:HST/product/j8bt05akq_raw.fits"),
        ("http://host/hst/{file}", "http://host/hst/j8bt05akq_raw.fits"),
    ],
)
def test_addresses(base_url: str, url: str) -> None:
    assert plan_products(ROWS)[0].url(base_url) == url


def test_what_cannot_be_fetched_is_refused() -> None:
    with pytest.raises(ManifestError, match=r"only Hubble's exposures.*Received: j8bt05akq of CSST/MSC"):
        plan_products([chip_row("j8bt05akq", instrument="CSST/MSC", filter="g")])
    with pytest.raises(ManifestError, match=r"must be one of raw, flt, flc\. Received: kind='drz'"):
        plan_products(ROWS, "drz")
