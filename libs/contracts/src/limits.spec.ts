import { describe, it } from '@jest/globals';
import fc from 'fast-check';
import { exceedsBytes, utf8Bytes } from './limits.js';

const texts = fc.string({ unit: 'binary', maxLength: 40 });

describe('the size of a text', () => {
  it('is what its encoding takes', () => {
    fc.assert(fc.property(texts, (text) => utf8Bytes(text) === Buffer.byteLength(text)));
  });

  it('exceeds a limit exactly when its encoding does, whether or not it has to be counted', () => {
    fc.assert(fc.property(texts, fc.nat({ max: 130 }), (text, max) => exceedsBytes(text, max) === Buffer.byteLength(text) > max));
  });
});
