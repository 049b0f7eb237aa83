import { REQUIREMENT_BYTES_MAX } from '@taskmaster/contracts';

/** What a heading says about the lines under it. */
export type Section = 'work' | 'criteria' | 'background' | 'excluded';

/** A run of text that belongs together. `level` is the nesting of a list item, 0 for paragraphs. */
export interface Block {
  readonly kind: 'paragraph' | 'item' | 'quote' | 'code';
  readonly text: string;
  readonly level: number;
  readonly ordered: boolean;
  readonly section: Section;
}

/** Lines beyond this many are not read; a requirement that long is a document, not a requirement. */
export const LINES_MAX = 4_000;
/** Characters of one line that are read. */
export const LINE_LENGTH_MAX = 4_000;

const PUNCTUATION: Readonly<Record<string, string>> = {
  '。': '. ',
  '．': '. ',
  '！': '! ',
  '？': '? ',
  '；': '; ',
  '，': ', ',
  '、': ', ',
  '：': ': ',
  '“': '"',
  '”': '"',
  '„': '"',
  '«': '"',
  '»': '"',
  '‘': "'",
  '’': "'",
  '‚': "'",
  '…': '. ',
  '–': ' - ',
  '—': ' - ',
  '−': '-',
  '¿': '',
  '¡': '',
  '؟': '? ',
  '،': ', ',
  '؛': '; ',
  '।': '. ',
  '「': '"',
  '」': '"',
  '『': '"',
  '』': '"',
  '（': '(',
  '）': ')',
  '\u00a0': ' ',
  '\u3000': ' ',
};
const PUNCTUATION_PATTERN = new RegExp(`[${Object.keys(PUNCTUATION).join('')}]`, 'gu');

/** Bytes of a text in UTF-8, without needing a platform's encoder. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

/** Cuts a text so that it has at most `bytes` bytes in UTF-8, never inside a character. */
export function clipBytes(text: string, bytes: number): string {
  if (text.length * 3 <= bytes) return text;
  let used = 0;
  let end = 0;
  for (const character of text) {
    used += utf8Length(character);
    if (used > bytes) return text.slice(0, end);
    end += character.length;
  }
  return text;
}

/** One alphabet of punctuation, no invisible characters, no long runs of the same mark; at most REQUIREMENT_BYTES_MAX bytes. */
export function normaliseText(raw: string): string {
  return clipBytes(raw, REQUIREMENT_BYTES_MAX)
    .replace(/\r\n?/g, '\n')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]/g, ' ')
    .replace(PUNCTUATION_PATTERN, (mark) => PUNCTUATION[mark] ?? mark)
    .replace(/([.!?,;:()"'*_~=#<>|\\/-])\1{3,}/g, '$1$1$1');
}

const SECTION_WORDS: readonly (readonly [RegExp, Section])[] = [
  [/^(acceptance|success|done|definition of done|constraints?|non-?functional|quality|performance requirements|rules)\b/i, 'criteria'],
  [/^(out of scope|non-?goals?|not in scope|excluded|later|future( work)?|won'?t)\b/i, 'excluded'],
  [/^(background|context|introduction|motivation|why|problem|overview|notes?|about|history|references?|links|examples?)\b/i, 'background'],
];

/** What a heading announces; anything unknown announces work. */
export function sectionOf(heading: string): Section {
  const bare = heading.replace(/^[\d.\s]+/, '').trim();
  return SECTION_WORDS.find(([pattern]) => pattern.test(bare))?.[1] ?? 'work';
}

const BULLET = /^(\s{0,24})(?:([-*+•▪◦‣·])|(\d{1,3})[.)]|\(?([a-z])\))\s+(.*)$/u;
const HEADING = /^\s{0,3}#{1,6}\s+(.*?)\s*#{0,6}$/;
/** "Background:" on a line of its own, or in bold. */
const LABEL = /^\s{0,3}(?:\*\*|__)?([A-Za-z][A-Za-z '/-]{2,40})(?:\*\*|__)?:(?:\*\*|__)?\s*$/;

interface Reader {
  readonly blocks: Block[];
  paragraph: string[];
  section: Section;
  fence: string[] | null;
}

function flush(reader: Reader): void {
  const text = reader.paragraph.join(' ').trim();
  if (text !== '') reader.blocks.push({ kind: 'paragraph', text, level: 0, ordered: false, section: reader.section });
  reader.paragraph = [];
}

function readFence(reader: Reader, line: string): boolean {
  const fence = /^\s{0,3}(?:```|~~~)/.test(line);
  if (reader.fence === null) {
    if (!fence) return false;
    flush(reader);
    reader.fence = [];
    return true;
  }
  if (!fence) {
    reader.fence.push(line);
    return true;
  }
  reader.blocks.push({ kind: 'code', text: reader.fence.join('\n'), level: 0, ordered: false, section: reader.section });
  reader.fence = null;
  return true;
}

function readBullet(reader: Reader, line: string): boolean {
  const bullet = BULLET.exec(line);
  if (bullet === null) return false;
  flush(reader);
  const body = (bullet[5] ?? '').trim();
  const box = /^\[([ xX])\]\s+/.exec(body);
  // A ticked box is work already done.
  const section = box !== null && box[1] !== ' ' ? 'excluded' : reader.section;
  const text = box === null ? body : body.slice(box[0].length);
  if (text !== '') {
    reader.blocks.push({
      kind: 'item',
      text,
      level: Math.floor((bullet[1] ?? '').replaceAll('\t', '    ').length / 2),
      ordered: bullet[3] !== undefined,
      section,
    });
  }
  return true;
}

function readHeading(reader: Reader, line: string): boolean {
  const label = LABEL.exec(line);
  const heading = HEADING.exec(line)?.[1] ?? (label !== null && sectionOf(label[1] ?? '') !== 'work' ? label[1] : undefined);
  if (heading === undefined) return false;
  flush(reader);
  reader.section = sectionOf(heading.replace(/[*_:]+/g, ''));
  return true;
}

function readText(reader: Reader, line: string): void {
  const last = reader.blocks.at(-1);
  if (line.trim() === '' || /^\s{0,3}(?:-{3,}|\*{3,}|_{3,}|={3,})\s*$/.test(line)) return flush(reader);
  if (/^\s{0,3}>/.test(line)) {
    flush(reader);
    reader.blocks.push({ kind: 'quote', text: line.replace(/^[\s>]+/, ''), level: 0, ordered: false, section: reader.section });
    return;
  }
  // A wrapped line of a list item belongs to it.
  if (reader.paragraph.length === 0 && last?.kind === 'item' && /^\s{2,}\S/.test(line)) {
    reader.blocks[reader.blocks.length - 1] = { ...last, text: `${last.text} ${line.trim()}` };
    return;
  }
  reader.paragraph.push(line.trim());
}

/** Splits Markdown or plain text into blocks. Headings do not become blocks; they name the section of what follows. */
export function readBlocks(text: string): readonly Block[] {
  const reader: Reader = { blocks: [], paragraph: [], section: 'work', fence: null };
  for (const full of text.split('\n', LINES_MAX)) {
    const line = full.length > LINE_LENGTH_MAX ? full.slice(0, LINE_LENGTH_MAX) : full;
    if (readFence(reader, line) || readHeading(reader, line) || readBullet(reader, line)) continue;
    readText(reader, line);
  }
  if (reader.fence !== null) reader.paragraph.push(...reader.fence);
  flush(reader);
  return reader.blocks;
}
