import { createHash } from 'node:crypto';
import { isAbsolute } from 'node:path';
import { err, ok, type AttemptRef, type Result, type WorkflowId } from '@taskmaster/contracts';

const PLAIN = /^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$/;
const BRANCH = /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,198}[A-Za-z0-9_-])?$/;
const REMOTE = /^(?:https|ssh|file):\/\/[A-Za-z0-9/][A-Za-z0-9._~:/@%+-]*$/;
const SCP_LIKE = /^[A-Za-z0-9][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[A-Za-z0-9._~/-]+$/;
const CONTROL = /[\u0000-\u001f\u007f]/;

export const digestOf = (text: string, length = 16): string => createHash('sha256').update(text).digest('hex').slice(0, length);

/**
 * An id as part of a ref or a path: itself when it is in our alphabet, else what is left of it and a digest. So no id can climb out of a
 * folder, be taken for an option, or meet another one on a file system that ignores case.
 */
export function slugOf(id: string): string {
  if (PLAIN.test(id)) return id;
  const rest = id
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40);
  return `${rest === '' ? 'x' : rest}-${digestOf(id, 12)}`;
}

export const attemptName = (ref: AttemptRef): string => `${slugOf(ref.stepId)}-${String(ref.attempt)}`;
/** `tm/<workflow>` itself is never a branch: git cannot hold a ref and a folder of one name. */
export const branchPrefix = (workflowId: WorkflowId): string => `tm/${slugOf(workflowId)}`;
export const integrationBranch = (workflowId: WorkflowId): string => `${branchPrefix(workflowId)}/integration`;
export const attemptBranch = (ref: AttemptRef): string => `${branchPrefix(ref.workflowId)}/${attemptName(ref)}`;
export const attemptKey = (ref: AttemptRef): string => `${ref.workflowId}/${ref.stepId}/${String(ref.attempt)}`;

/** A branch that a client named: git's rules for refs, without anything that could be an option, and none of our own. */
export function parseBranch(name: string): Result<string, string> {
  const parts = name.split('/');
  const sound =
    BRANCH.test(name) && !name.includes('..') && parts.every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'));
  if (!sound) return err('not a branch name that git and we accept');
  return parts[0] === 'tm' ? err('branches under tm/ belong to the platform') : ok(name);
}

/** A remote that a client named: an absolute path, https, ssh, or user@host:path. Nothing that git would take for an option or a program. */
export function parseRemote(url: string): Result<string, string> {
  if (CONTROL.test(url) || url.length > 1024) return err('not a repository address');
  if (isAbsolute(url) || REMOTE.test(url) || SCP_LIKE.test(url)) return ok(url);
  return err('not a repository address: an absolute path, https://, ssh://, file:// or user@host:path');
}
