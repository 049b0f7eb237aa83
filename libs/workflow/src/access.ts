import { assertNever, invariant, type AccessCommand, type AccessEvent, type Fact, type Role } from '@taskmaster/contracts';
import { accept, noop, reject, type Decider } from './decider.js';

export interface ApiKey {
  readonly keyId: string;
  readonly name: string;
  readonly role: Role;
  /** Hex SHA-256 of the key; the key itself is shown once and never stored. */
  readonly hash: string;
  readonly revoked: boolean;
}

/** A tenant's access: its API keys. */
export interface Access {
  readonly version: number;
  readonly keys: Readonly<Record<string, ApiKey>>;
}

export const accessDecider: Decider<Access, AccessCommand, AccessEvent> = {
  initial: { version: 0, keys: {} },

  decide(command, access) {
    const known = access.keys[command.data.keyId];
    switch (command.type) {
      case 'IssueApiKey':
        if (known !== undefined)
          return known.hash === command.data.hash ? noop('issued before') : reject('api-key-already-issued', 'a key of this id exists');
        return accept<AccessEvent>({ type: 'ApiKeyIssued', data: command.data });
      case 'RevokeApiKey':
        if (known === undefined) return reject('api-key-not-found', 'there is no such key');
        return known.revoked ? noop('revoked before') : accept<AccessEvent>({ type: 'ApiKeyRevoked', data: command.data });
      default:
        return assertNever(command);
    }
  },

  evolve(access, fact: Fact<AccessEvent>): Access {
    const version = access.version + 1;
    switch (fact.type) {
      case 'ApiKeyIssued':
        return { version, keys: { ...access.keys, [fact.data.keyId]: { ...fact.data, revoked: false } } };
      case 'ApiKeyRevoked': {
        const key = access.keys[fact.data.keyId];
        invariant(key !== undefined, 'only an issued key is revoked');
        return { version, keys: { ...access.keys, [key.keyId]: { ...key, revoked: true } } };
      }
      default:
        return assertNever(fact);
    }
  },
};
