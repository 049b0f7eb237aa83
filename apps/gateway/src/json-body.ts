import { Problem } from './problem.js';

/** Bytes of a request's body. */
export const BODY_BYTES_MAX = 256 * 1024;
/** Objects and arrays inside one another in a body. */
export const BODY_DEPTH_MAX = 32;
/** Members and items of a whole body. */
export const BODY_NODES_MAX = 20_000;

const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

/** The index of the closing quote of the string that starts at `from`. */
function endOfString(body: string, from: number): number {
  let at = from + 1;
  for (; at < body.length; at += 1) {
    const code = body.charCodeAt(at);
    if (code === BACKSLASH) at += 1;
    else if (code === QUOTE) return at;
  }
  return at;
}

/**
 * Refuses a body that nests too deep or holds too many values, before anything is built from it.
 * @throws Problem `invalid-request`
 */
export function ensureModestJson(body: string): void {
  let depth = 0;
  let nodes = 0;
  for (let at = 0; at < body.length; at += 1) {
    const code = body.charCodeAt(at);
    if (code === QUOTE) at = endOfString(body, at);
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      depth += 1;
      nodes += 1;
      if (depth > BODY_DEPTH_MAX)
        throw new Problem('invalid-request', `The body nests deeper than ${String(BODY_DEPTH_MAX)} levels.`, {
          members: { limit: BODY_DEPTH_MAX },
        });
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1;
    else if (code === COMMA) nodes += 1;
    if (nodes > BODY_NODES_MAX)
      throw new Problem('invalid-request', `The body holds more than ${String(BODY_NODES_MAX)} values.`, {
        members: { limit: BODY_NODES_MAX },
      });
  }
}
