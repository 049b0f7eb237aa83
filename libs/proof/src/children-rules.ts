import { workflowStream, type DomainEvent, type ParentStep, type StreamId, type WorkflowId } from '@taskmaster/contracts';
import type { LoggedEvent } from './chain.js';
import { Findings, type LogRule } from './invariant.js';

const attemptKey = (stream: StreamId, stepId: string, attempt: number): string => `${stream} ${stepId} ${String(attempt)}`;

/** I15: a child workflow is asked for by an attempt that its parent has started for it, and no parent ends before its children. */
export class ChildrenOfParents implements LogRule {
  private readonly children = new Findings(15, 'a child workflow belongs to an attempt of its parent and ends before it');
  readonly findings = [this.children];
  /** Who holds each running attempt of a `workflow.run` step; empty before it has started. */
  private readonly holders = new Map<string, string>();
  private readonly parentOf = new Map<StreamId, StreamId>();
  private readonly running = new Map<StreamId, Set<StreamId>>();

  see({ stream, type, version }: LoggedEvent, data: unknown): void {
    const event = { type, data } as DomainEvent;
    const at = `${stream} version ${String(version)}`;
    switch (event.type) {
      case 'StepReadied':
        if (event.data.kind === 'workflow.run') this.holders.set(attemptKey(stream, event.data.stepId, event.data.attempt), '');
        break;
      case 'StepStarted': {
        const key = attemptKey(stream, event.data.stepId, event.data.attempt);
        if (this.holders.has(key)) this.holders.set(key, event.data.holder);
        break;
      }
      case 'WorkflowRequested':
        if (event.data.request.parent !== undefined) this.requested(stream, event.data.request.parent, at);
        break;
      case 'WorkflowEnded':
        this.ended(stream, at);
        break;
      default:
    }
  }

  private requested(stream: StreamId, { workflowId, stepId, attempt }: ParentStep, at: string): void {
    const parent = workflowStream(workflowId);
    const key = attemptKey(parent, stepId, attempt);
    const holder = this.holders.get(key) as WorkflowId | undefined;
    const isHolder = holder !== undefined && workflowStream(holder) === stream;
    this.children.check(isHolder, () => `${at}: attempt ${String(attempt)} of ${stepId} in ${parent} was not started for it`);
    // It has one child.
    this.holders.delete(key);
    this.parentOf.set(stream, parent);
    const siblings = this.running.get(parent) ?? new Set();
    this.running.set(parent, siblings.add(stream));
  }

  private ended(stream: StreamId, at: string): void {
    const parent = this.parentOf.get(stream);
    if (parent !== undefined) this.running.get(parent)?.delete(stream);
    this.parentOf.delete(stream);
    const left = this.running.get(stream);
    if (left !== undefined) this.children.check(left.size === 0, () => `${at}: it ends before ${[...left].join(', ')}`);
    this.running.delete(stream);
  }
}
