// Pings `memif responder`, through the addon: `ping.mjs SOCKET client|server PACKETS`. Requests of 50 to 5500 bytes; every reply must have the bytes of
// its request.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

const require = createRequire(path.join(process.cwd(), "x.js"));
const { Memif } = await import(pathToFileURL(require.resolve("memif")));
const [socketName, role, packets] = process.argv.slice(2);
const total = Number(packets);

function checksum(bytes) {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

// From 192.168.1.2 to 192.168.1.1, the ethernet addresses being those that `memif` makes of them.
function request(i) {
  const p = Buffer.alloc(50 + 2 * ((i * 149) % 2726), i & 0xff);
  p.write("02fec0a8010102fec0a801020800", 0, "hex");
  p.write("450000000000400040010000c0a80102c0a80101", 14, "hex");
  p.writeUInt16BE(p.length - 14, 16);
  p.writeUInt16BE(checksum(p.subarray(14, 34)), 24);
  p.write("080000001234", 34, "hex");
  p.writeUInt16BE(i & 0xffff, 40);
  p.writeUInt16BE(checksum(p.subarray(34)), 36);
  return p;
}

const memif = new Memif({ role, socketName });
let sent = 0;
memif.on("memif:up", () => {
  console.log("up");
  // The other side may not have heard yet.
  setTimeout(() => memif.write(request(sent++)), 50);
});
memif.on("data", (bytes) => {
  const reply = Buffer.from(bytes);
  const asked = request(sent - 1);
  assert.equal(reply.length, asked.length);
  assert.equal(reply[34], 0, "an echo reply");
  assert.deepEqual(reply.subarray(38), asked.subarray(38));
  assert.deepEqual(reply.subarray(0, 6), asked.subarray(6, 12));
  if (sent < total) {
    memif.write(request(sent++));
    return;
  }
  console.log(`${total} pings were answered`);
  memif.on("memif:down", () => console.log("down"));
  memif.destroy();
  setTimeout(() => process.exit(0), 50);
});
console.log("ready");
