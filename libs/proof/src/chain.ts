import { CHAIN_START, chainText, type RecordedEvent } from '@taskmaster/contracts';

/** An event as it was stored: its data still the exact text that was hashed. */
export type LoggedEvent = Omit<RecordedEvent, 'id' | 'data'> & { readonly dataText: string };

/** Hex SHA-256 of a text in UTF-8. Given as an argument, because a pure library has no crypto of its own. */
export type Sha256 = (text: string) => string;

/** The hash that an event should carry, given that of the event before it in its stream. */
export const expectedHash = (previous: string, event: LoggedEvent, sha256: Sha256): string => sha256(chainText(previous, event, event));

/** Verifies one stream from its first event: a sentence for each thing that is wrong with it. */
export function verifyChain(events: readonly LoggedEvent[], sha256: Sha256): readonly string[] {
  const faults: string[] = [];
  let previous = CHAIN_START;
  events.forEach((event, i) => {
    if (event.version !== i + 1) faults.push(`${event.stream}: version ${String(event.version)} where ${String(i + 1)} belongs`);
    if (event.hash !== expectedHash(previous, event, sha256))
      faults.push(`${event.stream}: the hash of version ${String(event.version)} does not follow from its content`);
    previous = event.hash;
  });
  return faults;
}
