"""An audit: a model x data x methods x measures, streamed into a folder that can be taken up again."""
