// SPDX-License-Identifier: GPL-2.0-or-later
/* Scrapes of a host of many VMs: what one turn of the event loop does for them, and what their clients get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/metrics/metrics.h"
#include "tests/lib/fake_core.h"

#define MANY	  3000
#define PER_TURN  128 /* VMs that are looked at */
#define PLACES	  8   /* scrapes at a time */
#define CHUNK_MAX 65536
#define TURNS_MAX 100000
#define LINE_SIZE 256

struct host {
	struct fake_core fake; /* first */
	struct lp_core_ops ops;
	uint32_t nr_vms;   /* ids 1 ... */
	uint32_t gone_id;  /* this one goes ... */
	unsigned int left; /* ... after so many more looks at VMs */
	unsigned int looks;
	unsigned int most_looks; /* in a turn */
	struct event_base *base;
	struct metrics *metrics;
	struct sockaddr_in address;
};

/* ---- the core ---- */

static bool is_gone(const struct host *host, uint32_t vm_id)
{
	return vm_id == host->gone_id && !host->left;
}

static size_t many_ids(const struct lp_core *core, uint32_t first, uint32_t *ids, size_t capacity)
{
	const struct host *host = (const struct host *)core;
	size_t nr = 0;

	for (uint32_t id = first ? first : 1; id <= host->nr_vms; id++) {
		if (is_gone(host, id))
			continue;
		if (nr < capacity)
			ids[nr] = id;
		nr++;
	}
	return nr;
}

static int many_vm(const struct lp_core *core, uint32_t vm_id, struct lp_vm_snapshot *ret)
{
	struct host *host = (struct host *)(uintptr_t)core;

	host->looks++;
	host->left -= host->left > 0;
	if (is_gone(host, vm_id))
		return -ESRCH;
	*ret = host->fake.vms[0];
	ret->vm.id = vm_id;
	return 0;
}

/* ---- the server ---- */

/* A port that was free a moment ago. */
static void free_address(struct host *host, char *text, size_t size)
{
	socklen_t len = sizeof(host->address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	host->address = (struct sockaddr_in){.sin_family = AF_INET,
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)&host->address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&host->address, &len), 0);
	snprintf(text, size, "127.0.0.1:%d", ntohs(host->address.sin_port));
	close(fd);
}

static void serve(struct host *host, uint32_t scrape_ms)
{
	struct metrics_options options = {
		.base = host->base, .core = &host->fake.core, .scrape_ms = scrape_ms};
	char listen[32];

	free_address(host, listen, sizeof(listen));
	options.listen = listen;
	assert_int_equal(metrics_new(&options, &host->metrics), 0);
}

static int setup(void **state)
{
	struct host *host = calloc(1, sizeof(*host));

	fake_core_init(&host->fake);
	host->ops = fake_core_ops;
	host->ops.vm_ids = many_ids;
	host->ops.vm = many_vm;
	host->fake.core.ops = &host->ops;
	host->nr_vms = MANY;
	host->base = event_base_new();
	serve(host, 0);
	*state = host;
	return 0;
}

static int teardown(void **state)
{
	struct host *host = *state;

	metrics_free(host->metrics);
	event_base_free(host->base);
	fake_core_done(&host->fake);
	free(host);
	return 0;
}

static void turn(struct host *host)
{
	host->looks = 0;
	assert_true(event_base_loop(host->base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
	if (host->looks > host->most_looks)
		host->most_looks = host->looks;
}

/* ---- its clients ---- */

struct client {
	int fd;
	char *text;
	size_t size;
	FILE *f;
	bool ended; /* the server has closed the connection */
};

static void ask(struct client *client, const char *request)
{
	assert_true(send(client->fd, request, strlen(request), MSG_NOSIGNAL) > 0);
}

static void listen_again(struct client *client)
{
	client->f = open_memstream(&client->text, &client->size);
	fflush(client->f);
}

static void dial(struct host *host, struct client *client)
{
	*client = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	assert_int_equal(
		connect(client->fd, (struct sockaddr *)&host->address, sizeof(host->address)), 0);
	listen_again(client);
}

static void hang_up(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	if (client->f)
		fclose(client->f);
	client->f = NULL;
	free(client->text);
	client->text = NULL;
}

/* What is there. */
static void take(struct client *client)
{
	char text[4096];
	ssize_t nr;

	while ((nr = recv(client->fd, text, sizeof(text), MSG_DONTWAIT)) > 0)
		assert_int_equal(fwrite(text, 1, (size_t)nr, client->f), nr);
	client->ended = nr == 0 || (nr < 0 && errno != EAGAIN);
	fflush(client->f);
}

static bool has_end(const struct client *client)
{
	return client->ended ||
	       (client->size > 5 && strcmp(client->text + client->size - 5, "0\r\n\r\n") == 0);
}

/* Until all have been answered. */
static void wait_for(struct host *host, struct client *clients, size_t nr)
{
	size_t answered = 0;

	for (int i = 0; answered < nr; i++) {
		assert_true(i < TURNS_MAX);
		turn(host);
		answered = 0;
		for (size_t k = 0; k < nr; k++) {
			if (!has_end(&clients[k]))
				take(&clients[k]);
			answered += has_end(&clients[k]);
		}
	}
}

static void some_turns(struct host *host, int nr)
{
	for (int i = 0; i < nr; i++)
		turn(host);
}

/* ---- what they get ---- */

/* A line at a time, in a text of its own: what reads a string may look for its end. False: there is none. */
static bool next_line(const char **at, const char *end, char line[static LINE_SIZE])
{
	const char *stop = memchr(*at, '\n', (size_t)(end - *at));
	size_t len;

	if (!stop)
		return false;
	len = (size_t)(stop - *at);
	len = len < LINE_SIZE ? len : LINE_SIZE - 1;
	memcpy(line, *at, len);
	line[len] = '\0';
	*at = stop + 1;
	return true;
}

/* Lines that begin so. */
static size_t count_lines(const struct client *client, const char *begin)
{
	const char *at = client->text;
	size_t len = strlen(begin), nr = 0;
	char line[LINE_SIZE];

	while (next_line(&at, client->text + client->size, line))
		nr += strncmp(line, begin, len) == 0;
	return nr;
}

/*
 * The VMs of a family with one sample each. Its lines are together, and no series is there twice: they are in the order
 * of ids. Only the head of a chunk is in between.
 */
static size_t count_vms(const struct client *client, const char *family)
{
	const char *at = client->text;
	unsigned long id, before = 0;
	char begin[96], line[LINE_SIZE];
	size_t nr = 0, len;

	len = (size_t)snprintf(begin, sizeof(begin), "%s{vm=\"", family);
	while (next_line(&at, client->text + client->size, line)) {
		/* Others must not come in between. */
		if (strncmp(line, "tdx_lpage_", 10) == 0 && strncmp(line, begin, len) != 0 && nr)
			break;
		if (strncmp(line, begin, len) != 0)
			continue;
		id = strtoul(line + len, NULL, 10);
		assert_true(id > before);
		before = id;
		nr++;
	}
	assert_int_equal(count_lines(client, begin), nr);
	return nr;
}

static void check_answer(const struct client *client, size_t nr_vms)
{
	assert_int_equal(
		count_lines(client, "HTTP/1.0 200 OK") + count_lines(client, "HTTP/1.1 200 OK"), 1);
	assert_int_equal(count_lines(client, "# EOF"), 1);
	assert_int_equal(count_lines(client, "# TYPE tdx_lpage_vm_holds gauge"), 1);
	assert_int_equal(count_lines(client, "# TYPE tdx_lpage_vm_regions gauge"), 1);
	assert_int_equal(count_vms(client, "tdx_lpage_vm_running"), nr_vms);
	assert_int_equal(count_vms(client, "tdx_lpage_vm_gate"), nr_vms);
	assert_int_equal(count_lines(client, "tdx_lpage_vm_regions{"), 4 * nr_vms);
}

static const char get_close[] = "GET /metrics HTTP/1.0\r\n\r\n";
static const char get[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

static void a_turn_looks_at_no_more_vms_than_a_slice(void **state)
{
	struct host *host = *state;
	struct client clients[3];

	for (size_t i = 0; i < 3; i++) {
		dial(host, &clients[i]);
		ask(&clients[i], get_close);
	}
	wait_for(host, clients, 3);
	assert_in_range(host->most_looks, 1, PER_TURN);
	for (size_t i = 0; i < 3; i++) {
		check_answer(&clients[i], MANY);
		hang_up(&clients[i]);
	}
}

static void a_connection_serves_one_scrape_after_another(void **state)
{
	struct host *host = *state;
	struct client client;

	host->nr_vms = 10;
	dial(host, &client);
	for (int i = 0; i < 3; i++) {
		fclose(client.f);
		free(client.text);
		listen_again(&client);
		ask(&client, get);
		wait_for(host, &client, 1);
		assert_false(client.ended);
		check_answer(&client, 10);
	}
	hang_up(&client);
}

/* The head of a chunk is a line of hexadecimal digits, which no line of the text is. */
static unsigned long longest_chunk(const struct client *client)
{
	const char *at = client->text;
	unsigned long longest = 0, size;
	char line[LINE_SIZE], *end;

	while (next_line(&at, client->text + client->size, line)) {
		size = strtoul(line, &end, 16);
		if (end != line && *end == '\r' && size > longest)
			longest = size;
	}
	return longest;
}

static void a_slice_of_the_answer_is_small(void **state)
{
	struct host *host = *state;
	struct client client;

	dial(host, &client);
	ask(&client, get);
	wait_for(host, &client, 1);
	check_answer(&client, MANY);
	assert_in_range(longest_chunk(&client), 1000, CHUNK_MAX);
	hang_up(&client);
}

static void a_client_of_http_1_0_that_wants_to_stay_gets_all_of_the_answer(void **state)
{
	struct host *host = *state;
	struct client client;

	dial(host, &client);
	ask(&client, "GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	while (!client.ended)
		wait_for(host, &client, 1);
	check_answer(&client, MANY);
	assert_int_equal(count_lines(&client, "Content-Length: 0"), 0);
	hang_up(&client);
}

static void a_head_has_no_body_and_looks_at_no_vm(void **state)
{
	struct host *host = *state;
	struct client client;

	dial(host, &client);
	ask(&client, "HEAD /metrics HTTP/1.0\r\n\r\n");
	wait_for(host, &client, 1);
	assert_non_null(strstr(client.text, "200 OK"));
	assert_non_null(strstr(client.text, "openmetrics"));
	assert_null(strstr(client.text, "# TYPE"));
	assert_int_equal(host->most_looks, 0);
	hang_up(&client);
}

static void a_vm_that_goes_meanwhile_is_there_in_all_families_or_in_none(void **state)
{
	/* Before it is looked at, and after. */
	static const unsigned int looks[] = {200, 2500};
	struct host *host = *state;
	struct client client;

	for (size_t i = 0; i < 2; i++) {
		host->gone_id = 1000;
		host->left = looks[i];
		dial(host, &client);
		ask(&client, get_close);
		wait_for(host, &client, 1);
		check_answer(&client, looks[i] < 1000 ? MANY - 1 : MANY);
		hang_up(&client);
	}
}

/* Clients that read nothing. */
static void fill_places(struct host *host, struct client clients[static PLACES])
{
	for (size_t i = 0; i < PLACES; i++) {
		dial(host, &clients[i]);
		ask(&clients[i], get);
	}
	some_turns(host, PLACES * 100);
}

static void scrapes_beyond_the_places_are_refused(void **state)
{
	struct host *host = *state;
	struct client clients[PLACES], one;

	fill_places(host, clients);
	dial(host, &one);
	ask(&one, get_close);
	wait_for(host, &one, 1);
	assert_non_null(strstr(one.text, " 503 "));
	hang_up(&one);
	/* Those that have a place get their answer, however late. */
	wait_for(host, clients, PLACES);
	for (size_t i = 0; i < PLACES; i++) {
		check_answer(&clients[i], MANY);
		hang_up(&clients[i]);
	}
}

static void clients_that_go_away_give_their_places_back(void **state)
{
	struct host *host = *state;
	struct client clients[PLACES], one;

	fill_places(host, clients);
	for (size_t i = 0; i < PLACES; i++)
		hang_up(&clients[i]);
	some_turns(host, 10 * PLACES);
	dial(host, &one);
	ask(&one, get_close);
	wait_for(host, &one, 1);
	check_answer(&one, MANY);
	hang_up(&one);
}

/* Without a word of the client's: it is there, and takes nothing. */
static void a_scrape_that_takes_too_long_is_dropped_and_gives_its_place_back(void **state)
{
	struct host *host = *state;
	struct client clients[PLACES], one = {.fd = -1};
	bool served = false;

	metrics_free(host->metrics);
	serve(host, 100);
	fill_places(host, clients);
	host->nr_vms = 3;
	for (int i = 0; !served; i++) {
		assert_true(i < TURNS_MAX);
		hang_up(&one);
		dial(host, &one);
		ask(&one, get_close);
		wait_for(host, &one, 1);
		served = count_lines(&one, "# EOF") == 1;
	}
	check_answer(&one, 3);
	hang_up(&one);
	for (size_t i = 0; i < PLACES; i++) {
		wait_for(host, &clients[i], 1);
		assert_true(clients[i].ended);
		assert_int_equal(count_lines(&clients[i], "# EOF"), 0);
		hang_up(&clients[i]);
	}
}

static void the_server_stops_in_the_middle_of_scrapes(void **state)
{
	struct host *host = *state;
	struct client clients[PLACES];

	/* Some have begun, the others have not. */
	for (size_t i = 0; i < PLACES; i++) {
		dial(host, &clients[i]);
		ask(&clients[i], get);
		some_turns(host, 5);
	}
	host->metrics = metrics_free(host->metrics);
	for (size_t i = 0; i < PLACES; i++) {
		while (!clients[i].ended)
			take(&clients[i]);
		assert_int_equal(count_lines(&clients[i], "# EOF"), 0);
		hang_up(&clients[i]);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_turn_looks_at_no_more_vms_than_a_slice),
		T(a_connection_serves_one_scrape_after_another),
		T(a_slice_of_the_answer_is_small),
		T(a_client_of_http_1_0_that_wants_to_stay_gets_all_of_the_answer),
		T(a_head_has_no_body_and_looks_at_no_vm),
		T(a_vm_that_goes_meanwhile_is_there_in_all_families_or_in_none),
		T(scrapes_beyond_the_places_are_refused),
		T(clients_that_go_away_give_their_places_back),
		T(a_scrape_that_takes_too_long_is_dropped_and_gives_its_place_back),
		T(the_server_stops_in_the_middle_of_scrapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
