import { headers as natsHeaders, type MsgHdrs } from 'nats';

/** A message on its way. Payloads are texts: everything on our wires is JSON. */
export interface WireMessage {
  readonly subject: string;
  readonly payload: string;
  readonly reply?: string;
  readonly headers?: MsgHdrs;
}

/** Headers with a status in them, as the server answers pull requests and requests that nobody hears. */
export function statusHeaders(code: number, description: string, more: Readonly<Record<string, string>> = {}): MsgHdrs {
  const head = natsHeaders(code, description);
  for (const [name, value] of Object.entries(more)) head.set(name, value);
  return head;
}
