/** Where a command writes: results on `out`, talk on `talk`. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly talk: (text: string) => void;
  /** Whether a person watches: live drawing only then. */
  readonly live: boolean;
  readonly colour: boolean;
  readonly columns: () => number;
  readonly rows: () => number;
}

const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const;
export type Ink = keyof typeof CODES;
/** Colours a text, or leaves it as it is. */
export type Paint = (ink: Ink, text: string) => string;

export const painter = (colour: boolean): Paint => {
  if (!colour) return (_ink, text) => text;
  return (ink, text) => (text === '' ? '' : `\u001b[${String(CODES[ink][0])}m${text}\u001b[${String(CODES[ink][1])}m`);
};

// What a terminal would obey rather than show: text from requirements and agents is shown, never obeyed.

const CONTROL = /[\u0000-\u001f\u007f-\u009f]+/g;
export const harmless = (text: string): string => text.replace(CONTROL, ' ');

/** Cuts a text that has no colours yet to a width, and says with … that it did. */
export const fit = (text: string, width: number): string =>
  text.length <= width ? text : width <= 1 ? '…'.slice(0, Math.max(0, width)) : `${text.slice(0, width - 1)}…`;
export const pad = (text: string, width: number): string => fit(text, width).padEnd(width);

export const durationText = (ms: number): string => {
  if (ms < 1000) return `${String(Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${String(Math.floor(ms / 60_000))} min ${String(Math.floor((ms % 60_000) / 1000))} s`;
};

/** Redraws a block of lines in place. Never more lines than the terminal has, so that what is above stays. */
export class LiveBlock {
  private drawn = 0;

  constructor(private readonly terminal: Terminal) {}

  draw(lines: readonly string[]): void {
    const room = Math.max(4, this.terminal.rows() - 1);
    const shown = lines.length <= room ? lines : [...lines.slice(0, room - 1), `… ${String(lines.length - room + 1)} more lines`];
    this.terminal.talk(`${this.drawn === 0 ? '' : `\u001b[${String(this.drawn)}F`}\u001b[0J${shown.join('\n')}\n`);
    this.drawn = shown.length;
  }
}
