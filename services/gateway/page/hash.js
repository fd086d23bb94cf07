// What this page computes itself instead of believing the node, by docs/protocol.md, sections 1, 3, 5 and 6.

const encoder = new TextEncoder();

export const utf8 = (text) => encoder.encode(text);

export function toHex(bytes) {
  let out = '';
  for (const byte of bytes) out += (byte < 16 ? '0' : '') + byte.toString(16);
  return out;
}

export function fromHex(text) {
  const hex = String(text).replace(/^0x/, '');
  if (hex.length % 2 || /[^0-9a-f]/i.test(hex)) throw new Error('not hexadecimal: ' + hex.slice(0, 24));
  const out = new Uint8Array(hex.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(hex.substr(2 * i, 2), 16);
  return out;
}

function join(parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function le64(value) {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(value), true);
  return out;
}

const firstU64 = (bytes) => new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);

// ---- SHA3-256 (FIPS 202), lanes as pairs of 32 bits

const ROUND = (() => {
  const out = [];
  let state = 1;
  for (let round = 0; round < 24; round++) {
    let low = 0,
      high = 0;
    for (let j = 0; j < 7; j++) {
      const bit = (1 << j) - 1;
      if (state & 1) {
        if (bit < 32) low |= 1 << bit;
        else high |= 1 << (bit - 32);
      }
      state = (state << 1) ^ (state & 0x80 ? 0x171 : 0);
    }
    out.push([low, high]);
  }
  return out;
})();
const TURN = [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44];
const LANE = [10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1];

function permute(s) {
  const c = new Int32Array(10);
  const row = new Int32Array(10);
  for (let round = 0; round < 24; round++) {
    for (let x = 0; x < 10; x++) c[x] = s[x] ^ s[x + 10] ^ s[x + 20] ^ s[x + 30] ^ s[x + 40];
    for (let x = 0; x < 5; x++) {
      const l = c[2 * ((x + 1) % 5)],
        h = c[2 * ((x + 1) % 5) + 1],
        p = 2 * ((x + 4) % 5);
      const dl = c[p] ^ ((l << 1) | (h >>> 31)),
        dh = c[p + 1] ^ ((h << 1) | (l >>> 31));
      for (let y = 0; y < 50; y += 10) {
        s[2 * x + y] ^= dl;
        s[2 * x + y + 1] ^= dh;
      }
    }
    let l = s[2],
      h = s[3];
    for (let t = 0; t < 24; t++) {
      const at = 2 * LANE[t],
        nl = s[at],
        nh = s[at + 1],
        n = TURN[t] & 31;
      if (TURN[t] > 31) [l, h] = [h, l];
      s[at] = n ? (l << n) | (h >>> (32 - n)) : l;
      s[at + 1] = n ? (h << n) | (l >>> (32 - n)) : h;
      l = nl;
      h = nh;
    }
    for (let y = 0; y < 50; y += 10) {
      for (let x = 0; x < 10; x++) row[x] = s[y + x];
      for (let x = 0; x < 10; x++) s[y + x] = row[x] ^ (~row[(x + 2) % 10] & row[(x + 4) % 10]);
    }
    s[0] ^= ROUND[round][0];
    s[1] ^= ROUND[round][1];
  }
}

export function sha3(...parts) {
  const input = join(parts);
  const rate = 136;
  const padded = new Uint8Array((Math.floor(input.length / rate) + 1) * rate);
  padded.set(input);
  padded[input.length] ^= 6;
  padded[padded.length - 1] ^= 0x80;
  const words = new DataView(padded.buffer);
  const state = new Int32Array(50);
  for (let at = 0; at < padded.length; at += rate) {
    for (let i = 0; i < rate / 4; i++) state[i] ^= words.getInt32(at + 4 * i, true);
    permute(state);
  }
  const out = new Uint8Array(32);
  const view = new DataView(out.buffer);
  for (let i = 0; i < 8; i++) view.setInt32(4 * i, state[i], true);
  return out;
}

// ---- SHA-256, in pieces: a file need not fit in memory

const PRIMES = (() => {
  const out = [];
  for (let n = 2; out.length < 64; n++) if (out.every((p) => n % p)) out.push(n);
  return out;
})();
const frac = (x) => ((x - Math.floor(x)) * 4294967296) | 0;
const K = Int32Array.from(PRIMES, (p) => frac(Math.cbrt(p)));

export class Sha256 {
  constructor() {
    this.h = Int32Array.from(PRIMES.slice(0, 8), (p) => frac(Math.sqrt(p)));
    this.w = new Int32Array(64);
    this.rest = new Uint8Array(64);
    this.filled = 0;
    this.length = 0;
  }

  update(bytes) {
    this.length += bytes.length;
    let at = 0;
    if (this.filled) {
      at = Math.min(64 - this.filled, bytes.length);
      this.rest.set(bytes.subarray(0, at), this.filled);
      this.filled += at;
      if (this.filled < 64) return this;
      this.block(this.rest, 0);
      this.filled = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) this.block(bytes, at);
    this.rest.set(bytes.subarray(at));
    this.filled = bytes.length - at;
    return this;
  }

  block(b, at) {
    const w = this.w,
      s = this.h;
    for (let i = 0; i < 16; i++, at += 4) w[i] = (b[at] << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3];
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15],
        y = w[i - 2];
      const p = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const q = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + p + w[i - 7] + q) | 0;
    }
    let [a, c, d, e, f, g, h, k] = s;
    for (let i = 0; i < 64; i++) {
      const r = ((f >>> 6) | (f << 26)) ^ ((f >>> 11) | (f << 21)) ^ ((f >>> 25) | (f << 7));
      const t = (k + r + ((f & g) ^ (~f & h)) + K[i] + w[i]) | 0;
      const u = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const v = (u + ((a & c) ^ (a & d) ^ (c & d))) | 0;
      k = h;
      h = g;
      g = f;
      f = (e + t) | 0;
      e = d;
      d = c;
      c = a;
      a = (t + v) | 0;
    }
    s[0] += a;
    s[1] += c;
    s[2] += d;
    s[3] += e;
    s[4] += f;
    s[5] += g;
    s[6] += h;
    s[7] += k;
  }

  digest() {
    const bits = BigInt(this.length) * 8n;
    const pad = new Uint8Array((((this.filled + 8) >> 6) << 6) + 64 - this.filled);
    pad[0] = 0x80;
    new DataView(pad.buffer).setBigUint64(pad.length - 8, bits);
    this.update(pad);
    const out = new Uint8Array(32);
    const view = new DataView(out.buffer);
    this.h.forEach((word, i) => view.setInt32(4 * i, word));
    return out;
  }
}

/** SHA-256 of a file, in pieces; false from `progress` stops it. */
export async function hashFile(file, progress) {
  const hash = new Sha256();
  const piece = 4 << 20;
  for (let at = 0; at < file.size; at += piece) {
    hash.update(new Uint8Array(await file.slice(at, at + piece).arrayBuffer()));
    if (progress(Math.min(at + piece, file.size)) === false) return null;
  }
  return hash.digest();
}

// ---- who owns which slot (section 3)

export const epochSalt = (chainId) => sha3(utf8(chainId), utf8('mining-epoch-v1'));

export const seedOf = (entropy, height, salt) => sha3(utf8(entropy), le64(height), salt);

export const draw = (seed, k) =>
  firstU64(BigInt(k) === 0n ? seed : sha3(seed, utf8('reroll'), utf8(String(BigInt(k) - 1n))));

export const jitterOf = (seed, id, min, max) => Number(firstU64(sha3(seed, utf8(id))) % BigInt(max - min)) + min;

export const startOf = (k, parentMs, p) =>
  parentMs +
  p.block_interval_ms +
  p.claim_timeout_ms * (Math.min(k, p.backup_slots + 1) + 4 * Math.max(0, k - p.backup_slots - 1));

/** Owners of slots; each with its draw, and the lap after its swap. `main` is m. */
export function deal(seed, active, registered, main, slots) {
  const sorted = (pool) => [...new Set(pool)].sort();
  const tailPool = sorted(registered.length ? registered : active);
  const mainPool = active.length ? sorted(active) : tailPool;
  return slots.map((slot) => {
    const inTail = slot >= main;
    const pool = inTail ? tailPool : mainPool;
    const base = inTail ? main : 0;
    const p = slot - base;
    const size = pool.length;
    const lap = pool.slice();
    let at = 0,
      j = 0,
      number = 0n;
    for (let q = p - (p % size); q <= p; q++) {
      at = q % size;
      number = draw(seed, base + q);
      j = at + Number(number % BigInt(size - at));
      [lap[at], lap[j]] = [lap[j], lap[at]];
    }
    return { slot, owner: lap[at], draw: number, at, j, left: size - at, size, lap, lapNumber: Math.floor(p / size) };
  });
}

/** Recomputes an answer of /api/mining/schedule, and lists what differs. */
export function checkSchedule(answer, chain, parentHash) {
  const p = chain.params;
  const salt = epochSalt(chain.chain_id);
  const entropy = parentHash || answer.entropy;
  const seed = seedOf(entropy, answer.height, salt);
  const wrong = [];
  const differ = (what, said, computed) => {
    if (said !== computed) wrong.push({ what, said, computed });
  };
  if (answer.epoch_salt) differ('salt', answer.epoch_salt, toHex(salt));
  if (parentHash) differ('parent', answer.entropy, parentHash);
  differ('seed', answer.seed, toHex(seed));
  const rows = deal(
    seed,
    answer.active,
    answer.registered,
    p.backup_slots + 1,
    answer.slots.map((s) => s.slot),
  );
  rows.forEach((row, i) => {
    const said = answer.slots[i];
    const name = 'slot ' + row.slot;
    row.jitter_ms = jitterOf(seed, row.owner, p.jitter_min_ms, p.jitter_max_ms);
    row.opens_at_ms = startOf(row.slot, answer.parent_timestamp_ms, p) + row.jitter_ms;
    row.closes_at_ms = startOf(row.slot + 1, answer.parent_timestamp_ms, p);
    row.wrong =
      said.node_id !== row.owner || said.opens_at_ms !== row.opens_at_ms || said.closes_at_ms !== row.closes_at_ms;
    differ('owner of ' + name, said.node_id, row.owner);
    differ('start of ' + name, said.opens_at_ms, row.opens_at_ms);
    differ('end of ' + name, said.closes_at_ms, row.closes_at_ms);
    if (said.draw) differ('draw of ' + name, BigInt('0x' + said.draw), row.draw);
  });
  return { salt: toHex(salt), seed: toHex(seed), rows, wrong };
}

// ---- proofs of transactions (section 6)

export const blockHash = (genesis, header) => toHex(sha3(utf8('vision/header/v1'), fromHex(genesis), fromHex(header)));

export function checkProof(file) {
  const proof = file.proof && file.proof.header ? file.proof : file;
  if (!file.hash || !proof.header || !Array.isArray(proof.steps)) throw new Error('no proof of a transaction');
  const header = fromHex(proof.header);
  if (header.length !== 290) throw new Error(`the header has ${header.length} bytes, not 290`);
  let at = sha3(Uint8Array.of(0), fromHex(file.hash));
  for (const step of proof.steps) {
    const side = fromHex(step.hash);
    at = step.side === 'left' ? sha3(Uint8Array.of(1), side, at) : sha3(Uint8Array.of(1), at, side);
  }
  // Before the root: version 2, height 8, parent 32, stamp 8, slot 8, producer 32 bytes.
  const root = toHex(header.subarray(90, 122));
  const height = Number(new DataView(header.buffer).getBigUint64(2, true));
  const hash = blockHash(proof.genesis_hash, proof.header);
  return {
    height,
    hash,
    steps: [
      {
        text: `From the transaction's hash over ${proof.steps.length} neighbours to the root in the header`,
        ok: toHex(at) === root,
      },
      { text: `The header's hash is that of the block it names, ${hash.slice(0, 8)}`, ok: hash === file.block_hash },
      { text: `The header is of the height named, ${height}`, ok: file.height === undefined || height === file.height },
    ],
  };
}
