// What a logit says: log p/(1 − p) of a pixel's chance p of ink. Knows nothing of pictures or models.

export function sigmoid(logit) {
  return 1 / (1 + Math.exp(-logit));
}
