import { hash, timingSafeEqual } from 'node:crypto';
import { DEFAULT_TENANT, type ApiKeyView, type QueryAsker, type Role, type TenantId } from '@taskmaster/contracts';
import type { FastifyRequest } from 'fastify';

/** Who sends a request. */
export interface Identity {
  readonly keyId: string;
  readonly tenantId: TenantId;
  readonly role: Role;
}

declare module 'fastify' {
  interface FastifyRequest {
    identity: Identity | null;
  }
}

/** The identity of everybody when authentication is switched off on a loopback address. */
export const OPEN_IDENTITY: Identity = { keyId: 'anonymous', tenantId: DEFAULT_TENANT, role: 'admin' };

/** How long an answer of the platform about a key is believed. A revoked key stops working after this at the latest. */
export const KEY_CACHE_MS = 10_000;
/** How long an unknown key is remembered, so that guessing does not reach the database each time. */
export const UNKNOWN_KEY_CACHE_MS = 1_000;
/** Remembered keys; the oldest leaves first. */
export const KEY_CACHE_ENTRIES_MAX = 1_000;
const KEY_LENGTH_MAX = 256;

interface Remembered {
  readonly digest: Buffer;
  readonly identity: Identity | null;
  readonly until: number;
}

/** Looks presented API keys up by the SHA-256 of their text, and remembers the answers briefly. */
export class KeyRing {
  private readonly remembered = new Map<string, Remembered>();
  private readonly asked = new Map<string, Promise<Identity | null>>();

  constructor(
    private readonly asker: QueryAsker,
    private readonly now: () => number,
  ) {}

  /** The identity of a key at once, when it is remembered; undefined when the platform must be asked. */
  recall(key: string): Identity | null | undefined {
    const digest = hash('sha256', key, 'buffer');
    const entry = this.remembered.get(digest.toString('base64'));
    if (entry === undefined || entry.until <= this.now() || !timingSafeEqual(entry.digest, digest)) return undefined;
    return entry.identity;
  }

  /** Requests with one key that come together ask once. @throws StateUnavailable */
  find(key: string): Promise<Identity | null> {
    const digest = hash('sha256', key, 'buffer');
    const name = digest.toString('base64');
    const asked = this.asked.get(name) ?? this.ask(digest).finally(() => this.asked.delete(name));
    this.asked.set(name, asked);
    return asked;
  }

  private async ask(digest: Buffer): Promise<Identity | null> {
    const view = await this.asker.ask('FindApiKey', { hash: digest.toString('hex') });
    const identity = view === null ? null : identityOf(view);
    this.remember(digest, identity);
    return identity;
  }

  private remember(digest: Buffer, identity: Identity | null): void {
    const name = digest.toString('base64');
    this.remembered.delete(name);
    this.remembered.set(name, { digest, identity, until: this.now() + (identity === null ? UNKNOWN_KEY_CACHE_MS : KEY_CACHE_MS) });
    if (this.remembered.size <= KEY_CACHE_ENTRIES_MAX) return;
    const oldest = this.remembered.keys().next();
    if (oldest.done !== true) this.remembered.delete(oldest.value);
  }
}

const identityOf = (view: ApiKeyView): Identity => ({ keyId: view.keyId, tenantId: view.tenantId, role: view.role });

/** The key a request presents, in either of the two headers; undefined when there is none or it cannot be one. */
export function presentedKey(request: FastifyRequest): string | undefined {
  const { authorization, 'x-api-key': direct } = request.headers;
  const key = typeof direct === 'string' ? direct : bearer(authorization);
  return key !== undefined && key.length > 0 && key.length <= KEY_LENGTH_MAX ? key : undefined;
}

function bearer(header: string | undefined): string | undefined {
  if (header === undefined || header.slice(0, 7).toLowerCase() !== 'bearer ') return undefined;
  return header.slice(7).trim();
}
