import type { WorkflowId } from '@taskmaster/contracts';
import { commitTree } from '../workspace/deliver.js';
import type { Git } from '../git.js';
import { mergeTrees } from '../workspace/merge-trees.js';
import type { Head, Mirror } from '../workspace/mirrors.js';
import { mergeMessage } from '../workspace/trailers.js';

export interface CandidateOf {
  readonly workflowId: WorkflowId;
  readonly cycle: number;
  readonly title: string;
  readonly target: Head;
  readonly integration: Head;
}

export type Candidate =
  | { readonly kind: 'candidate'; readonly commit: string; readonly base: string }
  | { readonly kind: 'conflict'; readonly files: readonly string[] };

/**
 * The merge of a workflow's change into a target head, as a commit that no branch names yet. It is a function of what it merges, its date
 * included: whoever builds it again gets the same id, so the commit that was validated need not be sent anywhere to be merged later.
 */
export async function buildCandidate(git: Git, mirror: Mirror, of: CandidateOf): Promise<Candidate> {
  const merged = await mergeTrees(git, mirror.gitDir, of.target.commit, of.integration.commit);
  if (merged.kind === 'conflict') return merged;
  const commit = await commitTree(git, mirror, {
    tree: merged.tree,
    parents: [of.target.commit, of.integration.commit],
    message: mergeMessage(of.workflowId, of.cycle, of.title),
    date: Math.max(of.target.date, of.integration.date),
  });
  return { kind: 'candidate', commit, base: of.target.commit };
}
