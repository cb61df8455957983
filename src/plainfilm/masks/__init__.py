"""Masks: from boxes, polygons and run lengths, and from relevance maps. Names load when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plainfilm.lazy import loads_on_first_use

if TYPE_CHECKING:
    from plainfilm.masks.arrays import as_map, as_mask
    from plainfilm.masks.box import box_mask, mask_box
    from plainfilm.masks.lungs import split_lungs, two_lungs
    from plainfilm.masks.polygon import mask_polygons, polygon_mask
    from plainfilm.masks.region import largest_region
    from plainfilm.masks.rle import decode_gaps, decode_rle, encode_gaps, encode_rle
    from plainfilm.masks.threshold import area_mask, fixed_mask, otsu_mask, percentile_mask
    from plainfilm.masks.zones import severity_map, zone_boxes, zones_with

_HOMES = {
    "area_mask": "threshold",
    "as_map": "arrays",
    "as_mask": "arrays",
    "box_mask": "box",
    "decode_gaps": "rle",
    "decode_rle": "rle",
    "encode_gaps": "rle",
    "encode_rle": "rle",
    "fixed_mask": "threshold",
    "largest_region": "region",
    "mask_box": "box",
    "mask_polygons": "polygon",
    "otsu_mask": "threshold",
    "percentile_mask": "threshold",
    "polygon_mask": "polygon",
    "severity_map": "zones",
    "split_lungs": "lungs",
    "two_lungs": "lungs",
    "zone_boxes": "zones",
    "zones_with": "zones",
}

__all__ = [
    "area_mask",
    "as_map",
    "as_mask",
    "box_mask",
    "decode_gaps",
    "decode_rle",
    "encode_gaps",
    "encode_rle",
    "fixed_mask",
    "largest_region",
    "mask_box",
    "mask_polygons",
    "otsu_mask",
    "percentile_mask",
    "polygon_mask",
    "severity_map",
    "split_lungs",
    "two_lungs",
    "zone_boxes",
    "zones_with",
]

__getattr__ = loads_on_first_use(__name__, _HOMES)
