// Random numbers from a seed. Knows nothing of what they are for.
//
// The streams are those of NumPy's legacy generator, which NumPy has promised never to change (NEP 19), so that anyone
// can check them: `new Random(seed)` is `numpy.random.RandomState(seed)`, the Mersenne Twister MT19937 (Matsumoto and
// Nishimura 1998); uniform() is its random_sample() to the last bit, normal() its standard_normal(), by Marsaglia's
// polar method, to the rounding of one logarithm.

const WORDS = 624;
const LAG = 397;

export class Random {
  // seed: a whole number, 0 to 2^32 − 1.
  constructor(seed) {
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) throw new Error(`${seed} is no seed`);
    this.state = new Uint32Array(WORDS);
    this.state[0] = seed;
    for (let i = 1; i < WORDS; i++) {
      const before = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = Math.imul(1812433253, before) + i;
    }
    this.at = WORDS;
    this.spare = null;
  }

  // 32 random bits as a whole number.
  word() {
    const { state } = this;
    if (this.at === WORDS) {
      for (let i = 0; i < WORDS; i++) {
        const y = (state[i] & 0x80000000) | (state[(i + 1) % WORDS] & 0x7fffffff);
        state[i] = state[(i + LAG) % WORDS] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.at = 0;
    }
    let y = state[this.at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  // Uniform in [0, 1), 53 bits.
  uniform() {
    const high = this.word() >>> 5;
    return (high * 67108864 + (this.word() >>> 6)) / 9007199254740992;
  }

  // Standard normal.
  normal() {
    if (this.spare !== null) {
      const value = this.spare;
      this.spare = null;
      return value;
    }
    let [a, b, square] = [0, 0, 0];
    do {
      a = 2 * this.uniform() - 1;
      b = 2 * this.uniform() - 1;
      square = a * a + b * b;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt((-2 * Math.log(square)) / square);
    this.spare = factor * a;
    return factor * b;
  }

  normals(n) {
    return Float64Array.from({ length: n }, () => this.normal());
  }

  uniforms(n) {
    return Float64Array.from({ length: n }, () => this.uniform());
  }
}
