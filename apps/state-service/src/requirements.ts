import {
  REQUIREMENT_BYTES_MAX,
  REQUIREMENT_EXCERPT_CHARS_MAX,
  REQUIREMENT_INLINE_BYTES_MAX,
  utf8Bytes,
  type CommandEnvelope,
  type TenantId,
} from '@taskmaster/contracts';
import { readContent, storeContent, type Pools } from '@taskmaster/event-log';

/** Whether the text of this request is content rather than a part of its event. What is longer than allowed goes on to be refused. */
export function isLongRequest({ command }: CommandEnvelope): boolean {
  if (command.type !== 'RequestWorkflow' || command.data.request.source.kind !== 'requirement') return false;
  const { text } = command.data.request.source;
  // A unit of UTF-16 takes at most three bytes, so most texts need no counting.
  if (text.length * 3 <= REQUIREMENT_INLINE_BYTES_MAX) return false;
  const bytes = utf8Bytes(text);
  return bytes > REQUIREMENT_INLINE_BYTES_MAX && bytes <= REQUIREMENT_BYTES_MAX;
}

/** Texts of requirements that are too long for an event. */
export class Requirements {
  constructor(private readonly pools: Pick<Pools, 'write'>) {}

  /** Stores the text and leaves its beginning and its hash in its place. Sent twice, the same happens; refused later, it harms nobody. */
  async setAside(envelope: CommandEnvelope): Promise<CommandEnvelope> {
    const { command } = envelope;
    if (command.type !== 'RequestWorkflow' || command.data.request.source.kind !== 'requirement') return envelope;
    const { request } = command.data;
    const { text } = command.data.request.source;
    const contentHash = await storeContent(this.pools.write, envelope.tenantId, text);
    const source = { kind: 'requirement' as const, text: beginningOf(text), contentHash };
    return { ...envelope, command: { ...command, data: { ...command.data, request: { ...request, source } } } };
  }

  /** Read where it was written: a replica may not have it yet. @throws ContentLost when the text is gone or is not what was asked for */
  whole(tenantId: TenantId, contentHash: string): Promise<string> {
    return readContent(this.pools.write, { tenantId, hash: contentHash });
  }
}

/** Never half of a surrogate pair. */
const beginningOf = (text: string): string => text.slice(0, REQUIREMENT_EXCERPT_CHARS_MAX).replace(/[\uD800-\uDBFF]$/, '');
