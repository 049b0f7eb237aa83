import type { TenantId, WorkflowStatus, WorkflowSummary } from '@taskmaster/contracts';
import { ANSWER_MS_MAX, instantOf, limitedSocket, READER_ROLE } from '@taskmaster/event-log';
import { DataSource, EntitySchema, type EntityManager } from 'typeorm';
import { pageSizeOf } from './page-size.js';

interface WorkflowRecord {
  stream: string;
  tenantId: string;
  id: string;
  version: number;
  title: string;
  profile: string;
  state: string;
  status: string;
  phase: string;
  priority: string;
  progress: number;
  progressPercentage: number;
  requestedAt: string;
  endedAt: string | null;
  outcome: string | null;
  reason: string;
}

const workflows = new EntitySchema<WorkflowRecord>({
  name: 'workflow',
  columns: {
    stream: { type: 'text', primary: true },
    tenantId: { type: 'text', name: 'tenant_id' },
    id: { type: 'text' },
    version: { type: 'integer' },
    title: { type: 'text' },
    profile: { type: 'text' },
    state: { type: 'text' },
    status: { type: 'text' },
    phase: { type: 'text' },
    priority: { type: 'text' },
    progress: { type: 'double precision' },
    progressPercentage: { type: 'double precision', name: 'progress_percentage' },
    requestedAt: { type: 'timestamptz', name: 'requested_at' },
    endedAt: { type: 'timestamptz', name: 'ended_at', nullable: true },
    outcome: { type: 'text', nullable: true },
    reason: { type: 'text' },
  },
});

/** A page of workflows, newest first. */
export interface WorkflowPageQuestion {
  readonly tenantId: TenantId;
  readonly status?: WorkflowStatus;
  readonly limit: number;
  readonly cursor?: string;
}

export interface WorkflowPage {
  readonly items: readonly WorkflowSummary[];
  readonly nextCursor?: string;
}

export interface ReadModelsOptions {
  readonly url: string;
  readonly connections: number;
  /** Whether connections may take the reading role, so that row-level security applies to them. */
  readonly restricted: boolean;
  readonly onError: (error: Error) => void;
  /** What a statement may take. */
  readonly answerMsMax?: number;
}

/** Lists over the inline read models, each in a transaction that sees one tenant only. */
export class ReadModels {
  private constructor(
    private readonly source: DataSource,
    private readonly restricted: boolean,
  ) {}

  static async connect(options: ReadModelsOptions): Promise<ReadModels> {
    const source = new DataSource({
      type: 'postgres',
      url: options.url,
      entities: [workflows],
      poolSize: options.connections,
      poolErrorHandler: options.onError,
      logging: false,
      extra: { stream: limitedSocket(options.answerMsMax ?? ANSWER_MS_MAX) },
    });
    await source.initialize();
    return new ReadModels(source, options.restricted);
  }

  close(): Promise<void> {
    return this.source.destroy();
  }

  listWorkflows({ tenantId, status, limit, cursor }: WorkflowPageQuestion): Promise<WorkflowPage> {
    return this.asTenant(tenantId, async (manager) => {
      const size = pageSizeOf(limit);
      const query = manager.createQueryBuilder(workflows, 'w').where('w.tenant_id = :tenantId', { tenantId });
      if (status !== undefined) query.andWhere('w.status = :status', { status });
      const after = cursor === undefined ? undefined : parseCursor(cursor);
      if (after !== undefined) query.andWhere('(w.requested_at, w.id) < (:at::timestamptz, :id)', after);
      const rows = await query
        .orderBy('w.requestedAt', 'DESC')
        .addOrderBy('w.id', 'DESC')
        .limit(size + 1)
        .getMany();
      const page = rows.slice(0, size);
      const last = page.at(-1);
      const items = page.map(summaryOf);
      return rows.length > size && last !== undefined ? { items, nextCursor: cursorOf(last) } : { items };
    });
  }

  countWorkflows(tenantId: TenantId): Promise<{ readonly byStatus: Readonly<Record<string, number>>; readonly openSteps: number }> {
    return this.asTenant(tenantId, async (manager) => {
      const rows = await manager.query<{ status: string; count: number }[]>(
        'select status, count(*)::integer as count from workflow where tenant_id = $1 group by status',
        [tenantId],
      );
      const open = await manager.query<{ count: number }[]>(
        "select count(*)::integer as count from step where tenant_id = $1 and status in ('ready', 'running', 'retrying')",
        [tenantId],
      );
      return { byStatus: Object.fromEntries(rows.map(({ status, count }) => [status, count])), openSteps: open[0]?.count ?? 0 };
    });
  }

  private asTenant<T>(tenantId: TenantId, work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.source.transaction(async (manager) => {
      if (this.restricted) await manager.query(`set local role ${READER_ROLE}`);
      await manager.query("select set_config('app.tenant', $1, true), set_config('timezone', 'UTC', true)", [tenantId]);
      return work(manager);
    });
  }
}

/** The driver makes dates of timestamps here; ours are texts. */
const textOf = (at: string | Date): WorkflowSummary['requestedAt'] =>
  (at instanceof Date ? at.toISOString() : instantOf(at)) as WorkflowSummary['requestedAt'];

function summaryOf(row: WorkflowRecord): WorkflowSummary {
  const {
    id,
    title,
    profile,
    state,
    status,
    phase,
    priority,
    progressPercentage,
    progress,
    requestedAt,
    endedAt,
    outcome,
    reason,
    version,
  } = row;
  const ended = endedAt === null ? {} : { endedAt: textOf(endedAt), reason, ...(outcome === null ? {} : { outcome }) };
  return {
    id,
    title,
    profile,
    state,
    status,
    phase,
    priority,
    progressPercentage,
    progress,
    requestedAt: textOf(requestedAt),
    version,
    ...ended,
  } as WorkflowSummary;
}

const cursorOf = ({ requestedAt, id }: WorkflowRecord): string =>
  Buffer.from(JSON.stringify([textOf(requestedAt), id])).toString('base64url');

function parseCursor(cursor: string): { readonly at: string; readonly id: string } | undefined {
  try {
    const [at, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    return typeof at === 'string' && typeof id === 'string' && !Number.isNaN(Date.parse(at)) ? { at, id } : undefined;
  } catch {
    return undefined;
  }
}
