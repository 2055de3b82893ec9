-- revision 0023
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE account (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	code TEXT NOT NULL, 
	unit TEXT NOT NULL, 
	debits_pending BIGINT DEFAULT '0' NOT NULL, 
	debits_posted BIGINT DEFAULT '0' NOT NULL, 
	credits_pending BIGINT DEFAULT '0' NOT NULL, 
	credits_posted BIGINT DEFAULT '0' NOT NULL, 
	debit_limit BIGINT, 
	CONSTRAINT ck_account_unit CHECK (unit IN ('uusd', 'device_us')), 
	CONSTRAINT ck_account_no_overdraft CHECK (debit_limit IS NULL OR debits_posted + debits_pending <= debit_limit), 
	CONSTRAINT ck_account_not_negative CHECK (debits_pending >= 0 AND debits_posted >= 0 AND credits_pending >= 0 AND credits_posted >= 0), 
	CONSTRAINT uq_account_tenant_id_code_unit UNIQUE (tenant_id, code, unit)
);
CREATE TABLE brief (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	document TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT uq_brief_tenant_id_digest UNIQUE (tenant_id, digest)
);
CREATE TABLE check_result (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	cut_digest TEXT NOT NULL, 
	order_digest TEXT NOT NULL, 
	checks TEXT NOT NULL, 
	findings TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT uq_check_result_tenant_id_cut_digest_order_digest_checks UNIQUE (tenant_id, cut_digest, order_digest, checks)
);
CREATE TABLE idempotency_key (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	principal_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	body_digest TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT uq_idempotency_key_tenant_id_principal_id_key UNIQUE (tenant_id, principal_id, "key")
);
CREATE TABLE lease (
	id TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	device_class TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	nusd_per_s BIGINT, 
	opened_us BIGINT NOT NULL, 
	closed_us BIGINT, 
	device_us BIGINT, 
	cost_uusd BIGINT, 
	charge_key TEXT, devices INTEGER DEFAULT '1' NOT NULL, since_us BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_lease PRIMARY KEY (id), 
	CONSTRAINT ck_lease_closed_with_its_time CHECK ((closed_us IS NULL) = (device_us IS NULL)), 
	CONSTRAINT ck_lease_priced_is_costed CHECK ((cost_uusd IS NULL) = (closed_us IS NULL OR nusd_per_s IS NULL)), 
	CONSTRAINT ck_lease_charged_when_closed CHECK (charge_key IS NULL OR closed_us IS NOT NULL), 
	CONSTRAINT ck_lease_not_negative CHECK (device_us >= 0 AND cost_uusd >= 0 AND nusd_per_s >= 0), 
	CONSTRAINT uq_lease_tenant_id_charge_key UNIQUE (tenant_id, charge_key)
);
CREATE INDEX ix_lease_tenant_id_lease_job_id ON lease (tenant_id, job_id);
CREATE INDEX ix_lease_worker_id_lease_closed_us ON lease (worker_id, closed_us);
CREATE TABLE log_leaf (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	body TEXT NOT NULL, 
	leaf_hash TEXT NOT NULL, 
	created_us BIGINT NOT NULL
);
CREATE TABLE outbox (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	body TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	published_us BIGINT
);
CREATE INDEX ix_outbox_published_us_outbox_id ON outbox (published_us, id);
CREATE TABLE price (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	device_class TEXT NOT NULL, 
	nusd_per_s BIGINT, 
	valid_from_us BIGINT NOT NULL, 
	CONSTRAINT ck_price_not_negative CHECK (nusd_per_s >= 0)
);
CREATE INDEX ix_price_device_class_price_valid_from_us ON price (device_class, valid_from_us);
CREATE TABLE reference (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	original_digest TEXT NOT NULL, 
	preparation TEXT NOT NULL, 
	original_asset TEXT NOT NULL, 
	picture_asset TEXT NOT NULL, 
	picture_digest TEXT NOT NULL, 
	mask_asset TEXT, 
	mask_digest TEXT, 
	confidence_bp INTEGER NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	media_type TEXT NOT NULL, 
	credentials TEXT NOT NULL, 
	created_us BIGINT NOT NULL, kind TEXT DEFAULT 'picture' NOT NULL, thumbnail_asset TEXT, thumbnail_digest TEXT, video_asset TEXT, video_digest TEXT, sound_asset TEXT, sound_digest TEXT, facts TEXT DEFAULT '{}' NOT NULL, 
	CONSTRAINT uq_reference_tenant_id_original_digest_preparation UNIQUE (tenant_id, original_digest, preparation)
);
CREATE TABLE release (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	asset_id TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	frames INTEGER NOT NULL, 
	fps TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT uq_release_job_id UNIQUE (job_id)
);
CREATE INDEX ix_release_digest ON release (digest);
CREATE TABLE reservation (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	reserved BIGINT NOT NULL, 
	posted BIGINT DEFAULT '0' NOT NULL, 
	voided BIGINT DEFAULT '0' NOT NULL, 
	created_us BIGINT NOT NULL, 
	closed_us BIGINT, 
	CONSTRAINT ck_reservation_closed_whole CHECK (closed_us IS NULL OR posted + voided = reserved), 
	CONSTRAINT ck_reservation_within CHECK (posted + voided <= reserved), 
	CONSTRAINT ck_reservation_not_negative CHECK (reserved >= 0 AND posted >= 0 AND voided >= 0), 
	CONSTRAINT uq_reservation_tenant_id_key UNIQUE (tenant_id, "key")
);
CREATE INDEX ix_reservation_tenant_id_reservation_job_id ON reservation (tenant_id, job_id);
CREATE TABLE segment (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	asset_id TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	frames INTEGER NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT uq_segment_tenant_id_key UNIQUE (tenant_id, "key")
);
CREATE TABLE signing_key (
	key_id TEXT NOT NULL, 
	chain_pem TEXT NOT NULL, 
	first_used_us BIGINT NOT NULL, 
	CONSTRAINT pk_signing_key PRIMARY KEY (key_id)
);
CREATE TABLE stage (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	assets TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	cost_uusd BIGINT, 
	committed_us BIGINT NOT NULL, 
	CONSTRAINT uq_stage_job_id_name UNIQUE (job_id, name)
);
CREATE TABLE stage_time (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	started_us BIGINT NOT NULL, 
	took_us BIGINT NOT NULL, 
	CONSTRAINT ck_stage_time_took_time CHECK (took_us >= 0), 
	CONSTRAINT uq_stage_time_job_id_stage UNIQUE (job_id, stage)
);
CREATE TABLE take (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	asset_id TEXT NOT NULL, 
	segment_key TEXT NOT NULL, 
	model TEXT NOT NULL, 
	seed BIGINT NOT NULL, 
	input TEXT NOT NULL, 
	versions TEXT NOT NULL, 
	created_us BIGINT NOT NULL
, attempt INTEGER DEFAULT '0' NOT NULL, refused TEXT, stage TEXT, frames INTEGER, pixels INTEGER);
CREATE INDEX ix_take_tenant_id_take_segment_key ON take (tenant_id, segment_key);
CREATE TABLE tenant (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_tenant PRIMARY KEY (id)
);
CREATE TABLE training_set (
	name TEXT NOT NULL, 
	licence TEXT NOT NULL, 
	CONSTRAINT pk_training_set PRIMARY KEY (name)
);
CREATE TABLE worker (
	id TEXT NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	started_us BIGINT NOT NULL, 
	beat_us BIGINT NOT NULL, 
	ended_us BIGINT, 
	settled_us BIGINT, 
	CONSTRAINT pk_worker PRIMARY KEY (id)
);
CREATE INDEX ix_worker_ended_us_worker_settled_us ON worker (ended_us, settled_us);
CREATE TABLE asset (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	public_id TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	media_type TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	job_id TEXT, 
	made_by TEXT NOT NULL, 
	prompt_digest TEXT, 
	parameters TEXT NOT NULL, 
	digital_source_type TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	record TEXT NOT NULL, 
	signature TEXT NOT NULL, 
	key_id TEXT NOT NULL, 
	CONSTRAINT fk_asset_key_id_signing_key FOREIGN KEY(key_id) REFERENCES signing_key (key_id), 
	CONSTRAINT uq_asset_public_id UNIQUE (public_id)
);
CREATE INDEX ix_asset_tenant_id_asset_sha256 ON asset (tenant_id, sha256);
CREATE TABLE job (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	public_id TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	principal_id TEXT NOT NULL, 
	brief_id BIGINT NOT NULL, 
	status TEXT NOT NULL, 
	out TEXT NOT NULL, 
	requested_us BIGINT NOT NULL, 
	created_us BIGINT NOT NULL, 
	deadline_us BIGINT, 
	first_preview_us BIGINT, 
	ended_us BIGINT, 
	failure TEXT, round INTEGER DEFAULT '0' NOT NULL, written TEXT, template TEXT, put_away_us BIGINT, models TEXT, 
	CONSTRAINT fk_job_brief_id_brief FOREIGN KEY(brief_id) REFERENCES brief (id), 
	CONSTRAINT uq_job_public_id UNIQUE (public_id)
);
CREATE INDEX ix_job_tenant_id_job_brief_id ON job (tenant_id, brief_id);
CREATE TABLE model_training (
	model_ref TEXT NOT NULL, 
	training_set TEXT NOT NULL, 
	share_bp INTEGER NOT NULL, 
	CONSTRAINT pk_model_training PRIMARY KEY (model_ref, training_set), 
	CONSTRAINT ck_model_training_share_is_not_negative CHECK (share_bp >= 0), 
	CONSTRAINT fk_model_training_training_set_training_set FOREIGN KEY(training_set) REFERENCES training_set (name)
);
CREATE TABLE principal (
	id TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_principal PRIMARY KEY (id), 
	CONSTRAINT fk_principal_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE TABLE transfer (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	unit TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	debit_account INTEGER NOT NULL, 
	credit_account INTEGER NOT NULL, 
	amount BIGINT NOT NULL, 
	reservation_id INTEGER, 
	lease_id TEXT, 
	job_id TEXT NOT NULL, 
	stage TEXT, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT ck_transfer_reservation CHECK ((kind = 'direct') = (reservation_id IS NULL)), 
	CONSTRAINT ck_transfer_kind CHECK (kind IN ('direct', 'reserve', 'post', 'void')), 
	CONSTRAINT ck_transfer_unit CHECK (unit IN ('uusd', 'device_us')), 
	CONSTRAINT ck_transfer_positive CHECK (amount > 0), 
	CONSTRAINT ck_transfer_two_sides CHECK (debit_account <> credit_account), 
	CONSTRAINT fk_transfer_credit_account_account FOREIGN KEY(credit_account) REFERENCES account (id), 
	CONSTRAINT fk_transfer_debit_account_account FOREIGN KEY(debit_account) REFERENCES account (id), 
	CONSTRAINT fk_transfer_lease_id_lease FOREIGN KEY(lease_id) REFERENCES lease (id), 
	CONSTRAINT fk_transfer_reservation_id_reservation FOREIGN KEY(reservation_id) REFERENCES reservation (id), 
	CONSTRAINT uq_transfer_tenant_id_key UNIQUE (tenant_id, "key")
);
CREATE INDEX ix_transfer_lease_id ON transfer (lease_id);
CREATE INDEX ix_transfer_tenant_id_transfer_job_id ON transfer (tenant_id, job_id);
CREATE TABLE credential (
	asset_id INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	label TEXT, 
	issuer TEXT, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_credential PRIMARY KEY (asset_id), 
	CONSTRAINT fk_credential_asset_id_asset FOREIGN KEY(asset_id) REFERENCES asset (id)
);
CREATE INDEX ix_credential_label ON credential (label);
CREATE TABLE edge (
	dst INTEGER NOT NULL, 
	src INTEGER NOT NULL, 
	relation TEXT NOT NULL, 
	weight_bp INTEGER NOT NULL, 
	CONSTRAINT pk_edge PRIMARY KEY (dst, src, relation), 
	CONSTRAINT ck_edge_source_is_older CHECK (src < dst), 
	CONSTRAINT ck_edge_weight_is_not_negative CHECK (weight_bp >= 0), 
	CONSTRAINT fk_edge_dst_asset FOREIGN KEY(dst) REFERENCES asset (id), 
	CONSTRAINT fk_edge_src_asset FOREIGN KEY(src) REFERENCES asset (id)
);
CREATE INDEX ix_edge_src ON edge (src);
CREATE TABLE royalty_split (
	asset_id INTEGER NOT NULL, 
	valid_from_us BIGINT NOT NULL, 
	party TEXT NOT NULL, 
	share_bp INTEGER NOT NULL, 
	CONSTRAINT pk_royalty_split PRIMARY KEY (asset_id, valid_from_us, party), 
	CONSTRAINT ck_royalty_split_share_is_not_negative CHECK (share_bp >= 0), 
	CONSTRAINT fk_royalty_split_asset_id_asset FOREIGN KEY(asset_id) REFERENCES asset (id)
);
CREATE TABLE piece_figures (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	measure TEXT NOT NULL, 
	figures TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT uq_piece_figures_tenant_id_digest_measure UNIQUE (tenant_id, digest, measure)
);
CREATE TABLE decision (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	public_id TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	item_id TEXT NOT NULL, 
	choice TEXT NOT NULL, 
	principal_id TEXT, 
	reason TEXT NOT NULL, 
	changes TEXT NOT NULL, 
	brief_id BIGINT, 
	written TEXT, 
	decided_us BIGINT NOT NULL, 
	CONSTRAINT uq_decision_item_id UNIQUE (item_id), 
	CONSTRAINT uq_decision_public_id UNIQUE (public_id)
);
CREATE TABLE review_item (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	public_id TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	round INTEGER NOT NULL, 
	queue TEXT NOT NULL, 
	title TEXT NOT NULL, 
	asked_by TEXT NOT NULL, 
	question TEXT NOT NULL, 
	frame INTEGER, 
	cut_digest TEXT NOT NULL, 
	still_digest TEXT NOT NULL, 
	shown_frame INTEGER NOT NULL, 
	opened_us BIGINT NOT NULL, 
	due_us BIGINT NOT NULL, 
	decided_us BIGINT, 
	CONSTRAINT uq_review_item_public_id UNIQUE (public_id), 
	CONSTRAINT uq_review_item_tenant_id_job_id_round UNIQUE (tenant_id, job_id, round)
);
CREATE INDEX ix_review_item_decided_us_review_item_due_us ON review_item (decided_us, due_us);
CREATE TABLE published_entry (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	place TEXT NOT NULL, 
	path TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	published_us BIGINT NOT NULL, 
	CONSTRAINT uq_published_entry_tenant_id_place_path UNIQUE (tenant_id, place, path)
);
CREATE TABLE storage_period (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	from_us BIGINT NOT NULL, 
	until_us BIGINT NOT NULL, 
	byte_s BIGINT NOT NULL, 
	nusd_per_gb_month BIGINT, 
	cost_uusd BIGINT, 
	carry BIGINT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT ck_storage_period_priced_is_costed CHECK ((cost_uusd IS NULL) = (nusd_per_gb_month IS NULL)), 
	CONSTRAINT ck_storage_period_not_negative CHECK (byte_s >= 0 AND carry >= 0 AND cost_uusd >= 0), 
	CONSTRAINT ck_storage_period_forward CHECK (until_us > from_us), 
	CONSTRAINT uq_storage_period_tenant_id_from_us UNIQUE (tenant_id, from_us)
);
CREATE TABLE swept_blob (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	digest TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	kept_as TEXT NOT NULL, 
	condemned_us BIGINT NOT NULL, 
	swept_us BIGINT
);
CREATE INDEX ix_swept_blob_digest ON swept_blob (digest);
CREATE INDEX ix_swept_blob_swept_us ON swept_blob (swept_us);
CREATE TABLE storage_line (
	period_id INTEGER NOT NULL, 
	kept_as TEXT NOT NULL, 
	byte_s BIGINT NOT NULL, 
	cost_uusd BIGINT, 
	CONSTRAINT pk_storage_line PRIMARY KEY (period_id, kept_as), 
	CONSTRAINT fk_storage_line_period_id_storage_period FOREIGN KEY(period_id) REFERENCES storage_period (id)
);
CREATE TABLE publication (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	place TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	published_us BIGINT NOT NULL, 
	CONSTRAINT uq_publication_tenant_id_job_id_place UNIQUE (tenant_id, job_id, place)
);
CREATE TABLE resume_point (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	run_key TEXT NOT NULL, 
	part TEXT NOT NULL, 
	point TEXT NOT NULL, 
	files TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	ended_us BIGINT
);
CREATE INDEX ix_resume_point_tenant_id_resume_point_run_key ON resume_point (tenant_id, run_key);
CREATE TABLE budget (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	period TEXT NOT NULL, 
	limit_uusd BIGINT NOT NULL, 
	since_us BIGINT NOT NULL, 
	used_uusd BIGINT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT ck_budget_period CHECK (period IN ('total', 'month')), 
	CONSTRAINT ck_budget_scope CHECK (scope IN ('tenant', 'key', 'label')), 
	CONSTRAINT ck_budget_not_negative CHECK (limit_uusd >= 0 AND used_uusd >= 0), 
	CONSTRAINT uq_budget_tenant_id_scope_subject_period UNIQUE (tenant_id, scope, subject, period)
);
CREATE TABLE spender (
	tenant_id TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	CONSTRAINT pk_spender PRIMARY KEY (tenant_id, job_id, scope, subject), 
	CONSTRAINT ck_spender_scope CHECK (scope IN ('key', 'label'))
);
CREATE INDEX ix_spender_tenant_id_spender_scope_spender_subject ON spender (tenant_id, scope, subject);
CREATE TABLE owner_link (
	id TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	secret_hash TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	expires_us BIGINT NOT NULL, 
	used_us BIGINT, principal_id TEXT, 
	CONSTRAINT pk_owner_link PRIMARY KEY (id), 
	CONSTRAINT fk_owner_link_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE INDEX ix_owner_link_tenant_id ON owner_link (tenant_id);
CREATE TABLE quota (
	tenant_id TEXT NOT NULL, 
	jobs_in_flight INTEGER, 
	requests_per_minute INTEGER, 
	upload_bytes BIGINT, 
	CONSTRAINT pk_quota PRIMARY KEY (tenant_id), 
	CONSTRAINT ck_quota_not_negative CHECK (jobs_in_flight >= 0 AND requests_per_minute > 0 AND upload_bytes >= 0), 
	CONSTRAINT fk_quota_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE TABLE api_key (
	id TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	principal_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	secret_hash TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	labels TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	expires_us BIGINT, 
	revoked_us BIGINT, 
	used_us BIGINT, 
	rotated_from TEXT, 
	CONSTRAINT pk_api_key PRIMARY KEY (id), 
	CONSTRAINT fk_api_key_principal_id_principal FOREIGN KEY(principal_id) REFERENCES principal (id), 
	CONSTRAINT fk_api_key_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE INDEX ix_api_key_tenant_id ON api_key (tenant_id);
CREATE TABLE role_binding (
	tenant_id TEXT NOT NULL, 
	principal_id TEXT NOT NULL, 
	role TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_role_binding PRIMARY KEY (principal_id, role), 
	CONSTRAINT fk_role_binding_principal_id_principal FOREIGN KEY(principal_id) REFERENCES principal (id), 
	CONSTRAINT fk_role_binding_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE INDEX ix_role_binding_tenant_id ON role_binding (tenant_id);
CREATE TABLE sign_in (
	id TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	principal_id TEXT NOT NULL, 
	secret_hash TEXT NOT NULL, 
	csrf_secret TEXT NOT NULL, 
	opened_us BIGINT NOT NULL, 
	expires_us BIGINT NOT NULL, 
	closed_us BIGINT, 
	CONSTRAINT pk_sign_in PRIMARY KEY (id), 
	CONSTRAINT fk_sign_in_principal_id_principal FOREIGN KEY(principal_id) REFERENCES principal (id), 
	CONSTRAINT fk_sign_in_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE INDEX ix_sign_in_tenant_id_sign_in_principal_id ON sign_in (tenant_id, principal_id);
CREATE INDEX ix_job_tenant_id_job_status ON job (tenant_id, status);
CREATE INDEX ix_principal_tenant_id ON principal (tenant_id);
CREATE INDEX ix_outbox_subject_outbox_id ON outbox (subject, id);
CREATE TABLE request_bucket (
	tenant_id TEXT NOT NULL, 
	principal_id TEXT NOT NULL, 
	full_us BIGINT NOT NULL, 
	CONSTRAINT pk_request_bucket PRIMARY KEY (tenant_id, principal_id)
);
CREATE TABLE template (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	public_id TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	principal_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	text TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT uq_template_public_id UNIQUE (public_id), 
	CONSTRAINT uq_template_tenant_id_name_version UNIQUE (tenant_id, name, version)
);
CREATE TABLE identity (
	issuer TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	principal_id TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_identity PRIMARY KEY (issuer, subject), 
	CONSTRAINT fk_identity_principal_id_principal FOREIGN KEY(principal_id) REFERENCES principal (id), 
	CONSTRAINT fk_identity_tenant_id_tenant FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE INDEX ix_identity_tenant_id_identity_principal_id ON identity (tenant_id, principal_id);
CREATE TABLE breaker (
	model TEXT NOT NULL, 
	state TEXT NOT NULL, 
	failed TEXT NOT NULL, 
	until_us BIGINT NOT NULL, 
	rests INTEGER NOT NULL, 
	why TEXT NOT NULL, 
	changed_us BIGINT NOT NULL, 
	CONSTRAINT pk_breaker PRIMARY KEY (model)
);
CREATE TABLE failed_run (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	model TEXT, 
	kind TEXT NOT NULL, 
	error TEXT NOT NULL, 
	ended TEXT, 
	follows TEXT NOT NULL, 
	lease_id TEXT, 
	created_us BIGINT NOT NULL
);
CREATE INDEX ix_failed_run_tenant_id_failed_run_job_id ON failed_run (tenant_id, job_id);
CREATE TABLE device_hold (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	machine TEXT NOT NULL, 
	worker_id TEXT NOT NULL, 
	needs TEXT NOT NULL, 
	placed TEXT, 
	is_pinned INTEGER DEFAULT '0' NOT NULL, 
	asked_us BIGINT NOT NULL, 
	granted_us BIGINT, 
	CONSTRAINT ck_device_hold_granted_when_placed CHECK ((placed IS NULL) = (granted_us IS NULL))
);
CREATE INDEX ix_device_hold_machine_device_hold_id ON device_hold (machine, id);
CREATE INDEX ix_device_hold_worker_id ON device_hold (worker_id);
CREATE TABLE model_load (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	model TEXT NOT NULL, 
	device_class TEXT NOT NULL, 
	load_us BIGINT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT ck_model_load_positive CHECK (load_us > 0)
);
CREATE INDEX ix_model_load_model_model_load_device_class_model_load_id ON model_load (model, device_class, id);
CREATE TABLE webhook (
	id TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	url TEXT NOT NULL, 
	events TEXT NOT NULL, 
	description TEXT NOT NULL, 
	from_event BIGINT NOT NULL, 
	created_us BIGINT NOT NULL, 
	disabled_us BIGINT, 
	disabled_why TEXT, 
	removed_us BIGINT, 
	failures INTEGER DEFAULT '0' NOT NULL, 
	hold_until_us BIGINT DEFAULT '0' NOT NULL, 
	succeeded_us BIGINT, only_subject TEXT, form TEXT, over_us BIGINT, 
	CONSTRAINT pk_webhook PRIMARY KEY (id)
);
CREATE INDEX ix_webhook_tenant_id_webhook_id ON webhook (tenant_id, id);
CREATE TABLE webhook_delivery (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	public_id TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	webhook_id TEXT NOT NULL, 
	event_id BIGINT NOT NULL, 
	kind TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	state TEXT NOT NULL, 
	attempts INTEGER DEFAULT '0' NOT NULL, 
	log TEXT DEFAULT '[]' NOT NULL, 
	due_us BIGINT NOT NULL, 
	claimed_until_us BIGINT DEFAULT '0' NOT NULL, 
	created_us BIGINT NOT NULL, 
	ended_us BIGINT, 
	replay_of TEXT, 
	CONSTRAINT ck_webhook_delivery_state CHECK (state IN ('waiting', 'delivered', 'dead')), 
	CONSTRAINT fk_webhook_delivery_event_id_outbox FOREIGN KEY(event_id) REFERENCES outbox (id), 
	CONSTRAINT fk_webhook_delivery_webhook_id_webhook FOREIGN KEY(webhook_id) REFERENCES webhook (id), 
	CONSTRAINT uq_webhook_delivery_public_id UNIQUE (public_id)
);
CREATE INDEX ix_webhook_delivery_waiting ON webhook_delivery (state, webhook_id, subject, id);
CREATE INDEX ix_webhook_delivery_webhook_id_webhook_delivery_id ON webhook_delivery (webhook_id, id);
CREATE TABLE webhook_secret (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	webhook_id TEXT NOT NULL, 
	sealed TEXT NOT NULL, 
	seal_id TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	expires_us BIGINT, 
	CONSTRAINT fk_webhook_secret_webhook_id_webhook FOREIGN KEY(webhook_id) REFERENCES webhook (id)
);
CREATE INDEX ix_webhook_secret_webhook_id ON webhook_secret (webhook_id);
CREATE TABLE model_version (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	ref TEXT NOT NULL, 
	name TEXT NOT NULL, 
	backend TEXT, 
	settings TEXT, 
	card TEXT NOT NULL, 
	card_digest TEXT NOT NULL, 
	state TEXT NOT NULL, 
	share_bp INTEGER, 
	successor TEXT, 
	by_hand BOOLEAN NOT NULL, 
	checked TEXT, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT ck_model_version_trials_have_a_share CHECK ((share_bp IS NULL) = (state NOT IN ('shadow', 'canary'))), 
	CONSTRAINT ck_model_version_state CHECK (state IN ('registered', 'shadow', 'canary', 'live', 'retired')), 
	CONSTRAINT ck_model_version_share_is_a_part CHECK (share_bp > 0 AND share_bp <= 10000), 
	CONSTRAINT uq_model_version_ref UNIQUE (ref)
);
CREATE INDEX ix_model_version_name ON model_version (name);
CREATE UNIQUE INDEX uq_model_version_canary ON model_version (name) WHERE state = 'canary';
CREATE UNIQUE INDEX uq_model_version_live ON model_version (name) WHERE state = 'live';
CREATE TABLE shadow_take (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	shot INTEGER NOT NULL, 
	model TEXT NOT NULL, 
	beside TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	why TEXT, 
	beside_refused TEXT, 
	frames INTEGER NOT NULL, 
	pixels INTEGER NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT ck_shadow_take_outcome CHECK (outcome IN ('passed', 'refused', 'failed')), 
	CONSTRAINT uq_shadow_take_tenant_id_job_id_stage UNIQUE (tenant_id, job_id, stage)
);
CREATE INDEX ix_shadow_take_model ON shadow_take (model);
CREATE TABLE model_move (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	ref TEXT NOT NULL, 
	from_state TEXT, 
	to_state TEXT NOT NULL, 
	share_bp INTEGER, 
	successor TEXT, 
	"by" TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT fk_model_move_ref_model_version FOREIGN KEY(ref) REFERENCES model_version (ref)
);
CREATE INDEX ix_model_move_ref ON model_move (ref);
CREATE INDEX ix_take_model_take_created_us ON take (model, created_us);
CREATE TABLE "lease_class" (
	lease_id TEXT NOT NULL, 
	time_class TEXT NOT NULL, 
	device_us BIGINT NOT NULL, 
	CONSTRAINT pk_lease_class PRIMARY KEY (lease_id, time_class), 
	CONSTRAINT ck_lease_class_time_class CHECK (time_class IN ('down', 'idle', 'load', 'good', 'rework', 'scrap', 'spec_waste', 'preempt_waste', 'degraded', 'shadow')), 
	CONSTRAINT ck_lease_class_positive CHECK (device_us > 0), 
	CONSTRAINT fk_lease_class_lease_id_lease FOREIGN KEY(lease_id) REFERENCES lease (id)
);
CREATE TABLE "bill" (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	supplier TEXT NOT NULL, 
	reference TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	lease_id TEXT NOT NULL, 
	amount_uusd BIGINT, 
	basis TEXT NOT NULL, 
	time_class TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT ck_bill_unknown_has_no_amount CHECK ((amount_uusd IS NULL) = (basis = 'unknown')), 
	CONSTRAINT ck_bill_basis CHECK (basis IN ('answer', 'price-book', 'unknown')), 
	CONSTRAINT ck_bill_time_class CHECK (time_class IN ('down', 'idle', 'load', 'good', 'rework', 'scrap', 'spec_waste', 'preempt_waste', 'degraded', 'shadow')), 
	CONSTRAINT ck_bill_not_negative CHECK (amount_uusd >= 0), 
	CONSTRAINT fk_bill_lease_id_lease FOREIGN KEY(lease_id) REFERENCES lease (id), 
	CONSTRAINT uq_bill_tenant_id_supplier_reference UNIQUE (tenant_id, supplier, reference)
);
CREATE INDEX ix_bill_lease_id ON bill (lease_id);
CREATE INDEX ix_bill_tenant_id_bill_job_id ON bill (tenant_id, job_id);
CREATE TABLE refused_take (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	job_id TEXT NOT NULL, 
	asset_id TEXT NOT NULL, 
	segment_key TEXT NOT NULL, 
	judged_by TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	frames INTEGER NOT NULL, 
	verdict TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT uq_refused_take_tenant_id_segment_key_judged_by UNIQUE (tenant_id, segment_key, judged_by)
);
CREATE TABLE upload (
	id TEXT NOT NULL, 
	tenant_id TEXT NOT NULL, 
	principal_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	media_type TEXT NOT NULL, 
	length_bytes BIGINT NOT NULL, 
	offset_bytes BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	expires_us BIGINT NOT NULL, 
	received_us BIGINT, 
	ended_us BIGINT, 
	dropped_us BIGINT, 
	asset_id TEXT, 
	refusal TEXT, 
	CONSTRAINT pk_upload PRIMARY KEY (id), 
	CONSTRAINT ck_upload_state CHECK (state IN ('open', 'received', 'ready', 'refused', 'expired', 'removed')), 
	CONSTRAINT ck_upload_offset CHECK (offset_bytes >= 0 AND offset_bytes <= length_bytes)
);
CREATE INDEX ix_upload_state_upload_expires_us ON upload (state, expires_us);
CREATE INDEX ix_upload_tenant_id_upload_id ON upload (tenant_id, id);
CREATE TABLE upload_piece (
	tenant_id TEXT NOT NULL, 
	upload_id TEXT NOT NULL, 
	from_byte BIGINT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	CONSTRAINT pk_upload_piece PRIMARY KEY (upload_id, from_byte), 
	CONSTRAINT fk_upload_piece_upload_id_upload FOREIGN KEY(upload_id) REFERENCES upload (id)
);
CREATE TABLE heard_bill (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	tenant_id TEXT NOT NULL, 
	lease_id TEXT NOT NULL, 
	supplier TEXT NOT NULL, 
	reference TEXT NOT NULL, 
	amount_uusd BIGINT, 
	basis TEXT NOT NULL, 
	created_us BIGINT NOT NULL
);
CREATE INDEX ix_heard_bill_tenant_id_heard_bill_lease_id ON heard_bill (tenant_id, lease_id);
CREATE INDEX ix_log_leaf_tenant_id_log_leaf_id ON log_leaf (tenant_id, id);
CREATE INDEX ix_webhook_only_subject ON webhook (only_subject);
INSERT INTO alembic_version (version_num) VALUES ('0023');
