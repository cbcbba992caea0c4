internal import CSimdjson
