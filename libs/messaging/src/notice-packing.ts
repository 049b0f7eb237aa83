import {
  kindGroupOf,
  MESSAGE_BYTES_MAX,
  NOTICES_PER_MESSAGE_MAX,
  subjectOfWork,
  utf8Bytes,
  type KindGroup,
  type Notice,
} from '@taskmaster/contracts';

/** One message of a read of the log, before it knows its place in the stream. */
export interface PackedMessage {
  readonly subject: string;
  readonly payload: string;
}

const HEAD = '{"notices":[';
const TAIL = ']}';
const MARKER_GROUP: KindGroup = 'state';

/** Says how far the log was read and nothing else. */
export const MARKER: PackedMessage = { subject: subjectOfWork(MARKER_GROUP), payload: HEAD + TAIL };

interface Draft {
  readonly subject: string;
  json: string;
  count: number;
  bytes: number;
}

/** One message per kind group while it fits, in the order of the first notice of each. Kinds that nobody of ours does are left out. */
export function packNotices(notices: readonly Notice[]): readonly PackedMessage[] {
  const drafts: Draft[] = [];
  const open = new Map<KindGroup, Draft>();
  for (const notice of notices) {
    const group = kindGroupOf(notice.kind);
    if (group === undefined) continue;
    const json = JSON.stringify(notice);
    const bytes = utf8Bytes(json) + 1;
    const draft = open.get(group);
    if (draft !== undefined && draft.count < NOTICES_PER_MESSAGE_MAX && draft.bytes + bytes <= MESSAGE_BYTES_MAX) {
      draft.json += `,${json}`;
      draft.count += 1;
      draft.bytes += bytes;
    } else {
      const started = { subject: subjectOfWork(group), json, count: 1, bytes: bytes + HEAD.length + TAIL.length };
      drafts.push(started);
      open.set(group, started);
    }
  }
  return drafts.map(({ subject, json }) => ({ subject, payload: HEAD + json + TAIL }));
}
