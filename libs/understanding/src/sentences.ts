import tokenizer from 'compromise/one';
import tagger from 'compromise/two';

/** Characters of one sentence that are looked at. */
export const SENTENCE_LENGTH_MAX = 1_200;
/** Sentences of one requirement that are looked at. */
export const SENTENCES_MAX = 600;
const CHUNK_LENGTH = 8_000;

const PLACEHOLDER = /Quoted(\d{1,4})q/g;

/** Text whose quotes, inline code and addresses are out of the way of the rules, and the way back. */
export interface Shielded {
  readonly text: string;
  readonly restore: (part: string) => string;
}

/** Replaces quoted text, inline code, URLs and paths by single words, so that nothing inside them is read as language. */
export function shield(text: string): Shielded {
  const kept: string[] = [];
  const keep = (found: string): string => {
    if (kept.length >= 1_000) return found;
    kept.push(found);
    return `Quoted${String(kept.length - 1)}q`;
  };
  const shielded = text
    .replace(PLACEHOLDER, (found) => found.toLowerCase())
    .replace(/`[^`\n]{1,300}`/g, keep)
    .replace(/"[^"\n]{1,300}"/g, keep)
    .replace(/\bhttps?:\/\/[^\s<>"')\]]{1,500}/g, keep)
    .replace(/(?<![\w'])'[^'\n]{1,120}'(?!\w)/g, keep)
    .replace(/(?<=^|\s)--?[A-Za-z][\w-]{0,40}/g, keep)
    .replace(/(?<=^|[\s(])\/[\w:{}.-]{1,60}(?:\/[\w:{}.-]{0,60}){0,8}/g, keep);
  const restore = (part: string): string => part.replace(PLACEHOLDER, (found, index: string) => kept[Number(index)] ?? found);
  return { text: shielded, restore };
}

/** Splits prose into sentences; abbreviations, versions and file names do not end one. */
export function splitSentences(whole: string): readonly string[] {
  // The library takes "200 ms. Build" for the title Ms.
  const text = whole.replace(/(\d\s?(?:ms|sec|min|hrs?|no|kb|mb|gb))\.\s+(?=\p{Lu})/giu, '$1\n');
  const sentences: string[] = [];
  for (let start = 0; start < text.length && sentences.length < SENTENCES_MAX; start += CHUNK_LENGTH) {
    const view = tokenizer(text.slice(start, start + CHUNK_LENGTH)).json() as readonly { readonly text?: string }[];
    for (const sentence of view) {
      const line = (sentence.text ?? '').trim();
      if (line !== '') sentences.push(line.slice(0, SENTENCE_LENGTH_MAX));
    }
  }
  return sentences.slice(0, SENTENCES_MAX);
}

/** A word of a tagged clause. */
export interface TaggedWord {
  readonly text: string;
  readonly tags: readonly string[];
}

/** Parts of speech of the first words of a clause; what the rules need to tell a request from a remark. */
export function tagWords(clause: string, limit = 14): readonly TaggedWord[] {
  const head = clause.split(/\s+/, limit).join(' ').slice(0, 400);
  const view = tagger(head).json() as readonly { readonly terms: readonly { readonly text: string; readonly tags: readonly string[] }[] }[];
  return view.flatMap((sentence) => sentence.terms.map((term) => ({ text: term.text, tags: [...term.tags] })));
}
