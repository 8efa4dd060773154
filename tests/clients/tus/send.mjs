// Send a file by tus-js-client, or go on with one: send.mjs FILE ADDRESS KEY BYTES PARTS [URL].
// It stops after so many bytes; 0 for never. Through a restart of the server it goes on by itself.
import fs from "node:fs";
import path from "node:path";
import * as tus from "tus-js-client";

const [file, address, key, bytes, parts, url] = process.argv.slice(2);
const told = {};
const upload = new tus.Upload(fs.createReadStream(file), {
  endpoint: address,
  uploadUrl: url || null,
  uploadSize: Number(parts) > 1 ? null : fs.statSync(file).size,
  chunkSize: Number(parts) > 1 ? Infinity : 1 << 20,
  parallelUploads: Number(parts),
  retryDelays: [0, 200, 500, 1000, 1000, 2000, 2000, 3000],
  headers: { "X-Arcsecond-API-Authorization": `Key ${key}` },
  metadata: { filename: path.basename(file) },
  metadataForPartialUploads: {},
  onAfterResponse: (_request, response) => {
    told.sha256 = response.getHeader("Arcsecond-SHA256") || told.sha256;
  },
  onProgress: (sent) => {
    process.stderr.write(`${sent}\n`);
    if (Number(bytes) && sent >= Number(bytes)) {
      upload.abort().then(() => {
        console.log(JSON.stringify({ url: upload.url }));
        process.exit(0);
      });
    }
  },
  onError: (error) => {
    console.error(String(error));
    process.exit(1);
  },
  onSuccess: () => console.log(JSON.stringify({ url: upload.url, ...told })),
});
upload.start();
