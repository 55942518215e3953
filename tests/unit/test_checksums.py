"""What two HEADs' checksums say of the bytes: the same, others, or nothing."""

from __future__ import annotations

import pytest

from s3_migration.model.checksums import checksums, compare_checksums

CRC, SHA = {"x-amz-checksum-crc64nvme": "AAA="}, {"x-amz-checksum-sha256": "BBB="}
FULL, PARTS = {"x-amz-checksum-type": "FULL_OBJECT"}, {"x-amz-checksum-type": "COMPOSITE"}


@pytest.mark.parametrize(
    ("legacy", "copy", "same"),
    [
        (CRC, CRC, True),
        ({**CRC, **FULL}, {**CRC, **FULL}, True),
        (CRC, {"x-amz-checksum-crc64nvme": "ZZZ="}, False),
        ({**CRC, **SHA}, {**CRC, "x-amz-checksum-sha256": "ZZZ="}, False),
        ({**CRC, **SHA}, SHA, True),
        (CRC, SHA, None),
        (CRC, {}, None),
        ({}, {}, None),
        ({**SHA, **PARTS}, {**SHA, **PARTS}, None),
        ({"x-amz-checksum-sha256": "BBB=-2"}, {"x-amz-checksum-sha256": "BBB=-2"}, None),
        ({**SHA, **PARTS}, SHA, None),
        ({"x-amz-checksum-algorithm": "SHA256"}, {"x-amz-checksum-algorithm": "SHA256"}, None),
        (FULL, FULL, None),
    ],
)
def test_only_checksums_of_one_algorithm_over_whole_objects_tell(
    legacy: dict[str, str], copy: dict[str, str], same: bool | None
) -> None:
    assert compare_checksums(legacy, copy).same is same


def test_what_differs_is_said() -> None:
    said = compare_checksums({**CRC, **SHA}, {**CRC, "x-amz-checksum-sha256": "ZZZ="})
    assert said == (False, "SHA256 of legacy is BBB=, of the copy ZZZ=")


def test_every_algorithm_counts_by_its_name() -> None:
    assert checksums({**CRC, **SHA, "etag": '"x"'}) == {"crc64nvme": "AAA=", "sha256": "BBB="}
