/** One counter for everything that tells the page about runs: what was asked for, and heard, in which order. */
let last = 0;

/** Taken when an answer is asked for (it can only be newer than that) and when a message is heard. */
export function tick(): number {
  last += 1;
  return last;
}
