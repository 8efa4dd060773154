"""Send a file by tuspy, or go on with one: send.py FILE ADDRESS KEY CHUNKS [URL]."""

import sys
from pathlib import Path

from tusclient.client import TusClient

file, address, key, chunks, *url = sys.argv[1:]
client = TusClient(address, headers={"X-Arcsecond-API-Authorization": f"Key {key}"})
uploader = client.uploader(
    file,
    chunk_size=1 << 20,
    metadata={"filename": Path(file).name},
    url=url[0] if url else None,
    upload_checksum=True,
)
if int(chunks):
    for _ in range(int(chunks)):
        uploader.upload_chunk()
else:
    uploader.upload()
print(uploader.url)
