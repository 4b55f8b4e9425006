// Random numbers from a seed. Knows nothing of what they are for.
//
// The streams are those of the site's server: `new Random(seed)` and `new Random([seed, k])` are
// `numpy.random.default_rng` of the same: O'Neill's PCG64 (XSL-RR, 128 bits of state) seeded by NumPy's SeedSequence.
// uniform() is its random() to the last bit, normal() its standard_normal() by the ziggurat of Marsaglia and Tsang (2000)
// with 256 layers, to the rounding of an exponential.

const U64 = (1n << 64n) - 1n;
const U128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

// --- Seeds: words of 32 bits → four of 64 bits --------------------------------------------------------------------
const POOL = 4;

function hasher(state, multiplier) {
  return (value) => {
    value = (value ^ state) >>> 0;
    state = Math.imul(state, multiplier) >>> 0;
    value = Math.imul(value, state) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
}

function mixed(x, y) {
  const value = (Math.imul(x, 0xca01f9dd) - Math.imul(y, 0x4973f715)) >>> 0;
  return (value ^ (value >>> 16)) >>> 0;
}

// SeedSequence(words).generate_state(4, uint64).
export function seedState(words) {
  const hash = hasher(0x43b0d7e5, 0x931e8875);
  const pool = Array.from({ length: POOL }, (_, i) => hash(words[i] ?? 0));
  for (let from = 0; from < POOL; from++) {
    for (let to = 0; to < POOL; to++) if (from !== to) pool[to] = mixed(pool[to], hash(pool[from]));
  }
  for (const word of words.slice(POOL)) for (let to = 0; to < POOL; to++) pool[to] = mixed(pool[to], hash(word));
  const spread = hasher(0x8b51f9dd, 0x58f38ded);
  const halves = Array.from({ length: 8 }, (_, i) => BigInt(spread(pool[i % POOL])));
  return [0, 2, 4, 6].map((i) => halves[i] | (halves[i + 1] << 32n));
}

// --- The ziggurat: layers of equal area under exp(−x²/2), the lowest with the tail beyond EDGE ------------------------
const EDGE = 3.6541528853610088;
const AREA = 0.004928673233974658; // EDGE exp(−EDGE²/2) + ∫ exp(−x²/2) from EDGE on
const BITS = 2 ** 52;

const density = (x) => Math.exp(-0.5 * x * x);

// For each layer its width as a share of 2⁵², the largest number that lies under the curve for sure, the density there.
const { width, inside, height } = (() => {
  const [wide, sure, high] = [0, 0, 0].map(() => new Float64Array(256));
  const base = AREA / density(EDGE);
  wide[0] = base / BITS;
  sure[0] = Math.floor((EDGE / base) * BITS);
  [wide[255], high[0], high[255]] = [EDGE / BITS, 1, density(EDGE)];
  let outer = EDGE;
  for (let i = 254; i > 0; i--) {
    const x = Math.sqrt(-2 * Math.log(AREA / outer + density(outer)));
    sure[i + 1] = Math.floor((x / outer) * BITS);
    wide[i] = x / BITS;
    high[i] = density(x);
    outer = x;
  }
  return { width: wide, inside: sure, height: high };
})();

export class Random {
  // seed: a whole number, 0 to 2³² − 1, or several.
  constructor(seed) {
    const words = [seed].flat();
    if (!words.length || words.some((word) => !Number.isInteger(word) || word < 0 || word > 0xffffffff)) {
      throw new Error(`${seed} is no seed`);
    }
    const [high, low, streamHigh, streamLow] = seedState(words);
    this.increment = ((((streamHigh << 64n) | streamLow) << 1n) | 1n) & U128;
    this.state = 0n;
    this.step();
    this.state = (this.state + ((high << 64n) | low)) & U128;
    this.step();
  }

  step() {
    this.state = (this.state * MULTIPLIER + this.increment) & U128;
  }

  // 64 random bits.
  word() {
    this.step();
    const value = (this.state >> 64n) ^ (this.state & U64);
    const turn = this.state >> 122n;
    return ((value >> turn) | (value << (64n - turn))) & U64;
  }

  // Uniform in [0, 1), 53 bits.
  uniform() {
    return Number(this.word() >> 11n) / 2 ** 53;
  }

  // Standard normal.
  normal() {
    for (;;) {
      const word = this.word();
      const layer = Number(word & 0xffn);
      const sign = word & 0x100n ? -1 : 1;
      const bits = Number((word >> 9n) & 0xfffffffffffffn);
      const x = bits * width[layer];
      if (bits < inside[layer]) return sign * x;
      if (layer === 0) return (bits / 256) & 1 ? -this.tail() : this.tail();
      const [above, below] = [height[layer - 1], height[layer]];
      if ((above - below) * this.uniform() + below < density(x)) return sign * x;
    }
  }

  // Beyond EDGE.
  tail() {
    for (;;) {
      const x = -Math.log1p(-this.uniform()) / EDGE;
      const y = -Math.log1p(-this.uniform());
      if (y + y > x * x) return EDGE + x;
    }
  }

  normals(n) {
    return Float64Array.from({ length: n }, () => this.normal());
  }

  uniforms(n) {
    return Float64Array.from({ length: n }, () => this.uniform());
  }
}
