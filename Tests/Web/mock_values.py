"""Times and ids as the server writes them, for the mocks."""
import secrets
import time


def timestamp(age=0):
    """The time some seconds ago."""
    milliseconds = int(1000 * (time.time() - age))
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000)) + f".{milliseconds % 1000:03d}Z"


def new_id():
    return "".join(secrets.choice("0123456789abcdefghjkmnpqrstvwxyz") for _ in range(26))
