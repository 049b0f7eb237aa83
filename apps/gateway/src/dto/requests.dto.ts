import { REQUIREMENT_BYTES_MAX, WORKFLOW_STATUSES, type JsonObject, type WorkflowStatus } from '@taskmaster/contracts';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsNotEmpty, IsObject, IsOptional, IsString, Matches, Max, MaxLength, Min } from 'class-validator';

/** Items of one page. */
export const PAGE_ITEMS_MAX = 200;
const REASON_LENGTH_MAX = 1_000;

/** Why somebody pauses, resumes, cancels or verifies. The body may be absent. */
export class ReasonDto {
  @IsOptional()
  @IsString()
  @MaxLength(REASON_LENGTH_MAX)
  reason?: string;
}

/** What a person decides when a workflow asks: try once more, or give up. */
export class ResolveEscalationDto {
  @IsIn(['retry', 'fail'])
  decision!: 'retry' | 'fail';
  @IsOptional()
  @IsString()
  @MaxLength(REASON_LENGTH_MAX)
  note?: string;
  /** The escalation that is meant; the open one unless given. */
  @IsOptional()
  @IsString()
  @MaxLength(128)
  escalationId?: string;
}

/** A text to understand. */
export class ParseRequirementDto {
  @IsString()
  @IsNotEmpty()
  @MaxLength(REQUIREMENT_BYTES_MAX)
  text!: string;
  @IsOptional()
  @IsObject()
  context?: JsonObject;
}

/** A page of workflows. */
export class ListWorkflowsDto {
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(PAGE_ITEMS_MAX)
  limit?: number;
  @IsOptional()
  @IsString()
  @MaxLength(512)
  cursor?: string;
  @IsOptional()
  @IsIn(WORKFLOW_STATUSES)
  status?: WorkflowStatus;
}

/** A page of events, or where a stream of them starts. */
export class ListEventsDto {
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(PAGE_ITEMS_MAX)
  limit?: number;
  /** The position after which to start. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  after?: number;
}

/** The id of a workflow in a path. */
export class WorkflowIdDto {
  @IsString()
  @Matches(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/, { message: 'id must be the id of a workflow' })
  id!: string;
}
