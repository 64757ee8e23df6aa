// One end of an exchange: `end.mjs echo SOCKET` sends back what comes, `end.mjs check SOCKET ROLE PACKETS` sends
// packets of 50 to 5500 bytes and compares what comes back.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";

const require = createRequire(path.join(process.cwd(), "x.js"));
const { Memif } = await import(pathToFileURL(require.resolve("memif")));
const [what, socketName, role, packets] = process.argv.slice(2);

// More than 64 buffers at a time are lost by the addon itself.
const WINDOW = 8;

function size(i) {
  return 50 + ((i * 149) % 5451);
}

function packet(i) {
  const bytes = Buffer.alloc(size(i), i & 0xff);
  bytes.writeUInt32BE(i);
  return bytes;
}

if (what === "echo") {
  const memif = new Memif({ role: "server", socketName });
  memif.on("memif:up", () => console.log("up"));
  memif.on("memif:down", () => {
    const { nRxPackets, nTxPackets, nTxDropped } = memif.counters;
    console.log(`down after ${nRxPackets} in, ${nTxPackets} out, ${nTxDropped} dropped`);
    process.exit(0);
  });
  memif.on("data", (bytes) => memif.write(bytes));
  console.log("ready");
} else {
  const total = Number(packets);
  const memif = new Memif({ role, socketName });
  let sent = 0;
  let back = 0;
  const fill = () => {
    while (sent < total && sent - back < WINDOW) {
      memif.write(packet(sent++));
    }
  };
  memif.on("memif:up", () => {
    console.log("up");
    assert.equal(memif.connected, true);
    // The other side may not have heard yet.
    setTimeout(fill, 50);
  });
  memif.on("data", (bytes) => {
    assert.deepEqual(Buffer.from(bytes), packet(back));
    back++;
    if (back < total) {
      fill();
      return;
    }
    // The addon counts after this callback, and swallows what it throws.
    setImmediate(() => {
      const counters = memif.counters;
      assert.equal(counters.nTxPackets, BigInt(total));
      assert.equal(counters.nRxPackets, BigInt(total));
      assert.equal(counters.nTxDropped, 0n);
      let fragments = 0;
      for (let i = 0; i < total; i++) fragments += Math.ceil(size(i) / 2048);
      assert.equal(counters.nTxFragments, BigInt(fragments));
      assert.equal(counters.nRxFragments, BigInt(fragments));
      console.log(`${total} packets came back`);
      memif.on("memif:down", () => console.log("down"));
      memif.destroy();
      setTimeout(() => process.exit(0), 50);
    });
  });
}
