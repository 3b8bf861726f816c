/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conntrackd: the daemon, and the client that talks to a running one. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/conf_socket.h"
#include "core/log/log.h"

#include "cli/conntrackd/daemon.h"

#define CONFIG_DEFAULT CTS_SYSCONF_DIR "/conntrackd.cfg"

#define SOCKET_VARIABLE "CONNTRACKD_SOCKET"
#define SOCKET_MAX 4096

#define STATUS_NOT_IN_SYNC 2 /* of --status, when there is nobody to ask, too */

enum long_only {
	OPT_CHECK = 256,
	OPT_DEMOTE,
	OPT_ELIGIBLE,
	OPT_JSON,
	OPT_PLUGINS,
	OPT_PROMOTE,
	OPT_SOCKET,
	OPT_STATUS,
	OPT_TIMEOUT
};

static const struct option long_options[] = { { "config", required_argument, NULL, 'C' },
					      { "daemon", no_argument, NULL, 'd' },
					      { "internal", no_argument, NULL, 'i' },
					      { "external", no_argument, NULL, 'e' },
					      { "xml", no_argument, NULL, 'x' },
					      { "commit", no_argument, NULL, 'c' },
					      { "flush", no_argument, NULL, 'f' },
					      { "flush-kernel", no_argument, NULL, 'F' },
					      { "resync-kernel", no_argument, NULL, 'R' },
					      { "bulk", no_argument, NULL, 'B' },
					      { "resync", no_argument, NULL, 'n' },
					      { "purge", no_argument, NULL, 't' },
					      { "stop", no_argument, NULL, 'k' },
					      { "stats", no_argument, NULL, 's' },
					      { "version", no_argument, NULL, 'v' },
					      { "help", no_argument, NULL, 'h' },
					      { "check-config", no_argument, NULL, OPT_CHECK },
					      { "demote", no_argument, NULL, OPT_DEMOTE },
					      { "eligible", no_argument, NULL, OPT_ELIGIBLE },
					      { "json", no_argument, NULL, OPT_JSON },
					      { "plugins", no_argument, NULL, OPT_PLUGINS },
					      { "promote", no_argument, NULL, OPT_PROMOTE },
					      { "socket", required_argument, NULL, OPT_SOCKET },
					      { "status", no_argument, NULL, OPT_STATUS },
					      { "timeout", required_argument, NULL, OPT_TIMEOUT },
					      { NULL, 0, NULL, 0 } };

static const char usage[] =
	"Usage: conntrackd [-C FILE] [-d]\n"
	"       conntrackd [-C FILE] COMMAND\n"
	"\n"
	"Daemon:\n"
	"  -C, --config FILE      configuration, else " CONFIG_DEFAULT "\n"
	"  -d, --daemon           run in the background\n"
	"      --check-config     check the configuration and end\n"
	"      --plugins [NAME]   describe the plugins that can be found\n"
	"\n"
	"Commands to a running daemon, of whose configuration only control.socket is read:\n"
	"      --socket PATH      where it takes commands, else $" SOCKET_VARIABLE "\n"
	"  -i [ct|expect]         show the internal cache\n"
	"  -e [ct|expect]         show the external cache\n"
	"  -x                     with -i or -e: as XML\n"
	"  -c [ct|expect]         commit the external cache to the kernel\n"
	"  -f [internal|external] flush the caches\n"
	"  -F [ct|expect]         flush the kernel's table\n"
	"  -R [ct|expect]         read the kernel's table into the internal cache\n"
	"  -B                     send the internal cache to the other nodes\n"
	"  -n                     ask the other nodes for their state\n"
	"  -t                     flush kernel and internal cache in a while\n"
	"  -s [network|cache|runtime|link|rsqueue|queue|ct|expect|outputs]\n"
	"                         show statistics\n"
	"  -k                     stop the daemon\n"
	"      --promote [--timeout SECONDS]\n"
	"                         take over: returns when the kernel holds the state\n"
	"      --demote           stand by: flows of others leave the kernel\n"
	"      --status [--json]  exit status 0: in sync, 1: degraded, 2: not in sync\n"
	"      --eligible         exit status 0: this node may take over, 1: not (yet)\n"
	"\n"
	"  -v, --version          print the version\n"
	"  -h, --help             print this\n";

struct options {
	const char *config; /* NULL: the default */
	const char *socket; /* NULL: of the environment, or of the configuration */
	const char *plugin; /* --plugins NAME */
	const char *timeout;
	const char *words[4]; /* of the request */
	int n_words;
	int mode; /* option that says what to do; 0: be the daemon */
	bool background, xml, json;
};

/* The word after an option, if there is one: it stands on its own. */
static const char *next_word(int argc, char **argv)
{
	return optind < argc && argv[optind][0] != '-' ? argv[optind++] : NULL;
}

static void request(struct options *o, const char *word, const char *arg, const char *second)
{
	o->words[0] = word;
	o->n_words = 1;
	if (arg)
		o->words[o->n_words++] = arg;
	if (second)
		o->words[o->n_words++] = second;
}

/* "ct" or "expect" by any prefix, as tables have always been named. */
static const char *table(const char *word)
{
	if (!word)
		return NULL;
	if (strncmp("ct", word, strlen(word)) == 0)
		return "ct";
	return strncmp("expect", word, strlen(word)) == 0 ? "expect" : word;
}

static int take_mode(struct options *o, int opt)
{
	if (o->mode) {
		fprintf(stderr, "conntrackd: one command at a time\n");
		return -1;
	}
	o->mode = opt;
	return 0;
}

static int parse_command(struct options *o, int opt, int argc, char **argv)
{
	if (take_mode(o, opt) < 0)
		return -1;
	switch (opt) {
	case 'i':
		request(o, "dump", "internal", table(next_word(argc, argv)));
		break;
	case 'e':
		request(o, "dump", "external", table(next_word(argc, argv)));
		break;
	case 'c':
		request(o, "commit", table(next_word(argc, argv)), NULL);
		break;
	case 'f':
		request(o, "flush", next_word(argc, argv), NULL);
		break;
	case 'F':
		request(o, "flush-kernel", table(next_word(argc, argv)), NULL);
		break;
	case 'R':
		request(o, "resync-kernel", table(next_word(argc, argv)), NULL);
		break;
	case 's':
		request(o, "stats", next_word(argc, argv), NULL);
		break;
	case 'B':
		request(o, "bulk", NULL, NULL);
		break;
	case 'n':
		request(o, "resync", NULL, NULL);
		break;
	case 't':
		request(o, "purge", NULL, NULL);
		break;
	case 'k':
		request(o, "stop", NULL, NULL);
		break;
	case OPT_PROMOTE:
		request(o, "promote", NULL, NULL);
		break;
	case OPT_DEMOTE:
		request(o, "demote", NULL, NULL);
		break;
	case OPT_STATUS:
		request(o, "status", NULL, NULL);
		break;
	case OPT_ELIGIBLE:
		request(o, "status", "eligible", NULL);
		break;
	case OPT_PLUGINS:
		o->plugin = next_word(argc, argv);
		break;
	default:
		break;
	}
	return 0;
}

/* Options that say how a command is meant; without it they would start a daemon. */
static int parse_modifiers(struct options *o)
{
	const struct {
		bool given, fits;
		const char *option, *commands, *word;
	} modifiers[] = {
		{ o->xml, o->mode == 'i' || o->mode == 'e', "-x", "-i and -e", "xml" },
		{ o->json, o->mode == OPT_STATUS, "--json", "--status", "json" },
		{ o->timeout, o->mode == OPT_PROMOTE, "--timeout", "--promote", o->timeout },
		{ o->socket, o->n_words > 0, "--socket", "commands to a running daemon", NULL },
		{ o->background, !o->mode, "-d", "no command", NULL },
	};

	for (size_t i = 0; i < sizeof(modifiers) / sizeof(modifiers[0]); i++) {
		if (modifiers[i].given && !modifiers[i].fits) {
			fprintf(stderr, "conntrackd: %s goes with %s\n", modifiers[i].option,
				modifiers[i].commands);
			return -1;
		}
		if (modifiers[i].given && modifiers[i].word)
			o->words[o->n_words++] = modifiers[i].word;
	}
	return 0;
}

static int parse_options(struct options *o, int argc, char **argv)
{
	int opt;

	*o = (struct options){ .config = NULL };
	while ((opt = getopt_long(argc, argv, "C:diexcfFRBntksvh", long_options, NULL)) != -1) {
		switch (opt) {
		case 'C':
			o->config = optarg;
			break;
		case 'd':
			o->background = true;
			break;
		case 'x':
			o->xml = true;
			break;
		case OPT_JSON:
			o->json = true;
			break;
		case OPT_SOCKET:
			o->socket = optarg;
			break;
		case OPT_TIMEOUT:
			o->timeout = optarg;
			break;
		case '?':
			return -1;
		default:
			if (parse_command(o, opt, argc, argv) < 0)
				return -1;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "conntrackd: %s: what is it for?\n", argv[optind]);
		return -1;
	}
	return parse_modifiers(o);
}

/* -- what to do -- */

static const char *config_of(const struct options *o)
{
	return o->config ? o->config : CONFIG_DEFAULT;
}

/* A mistake in the configuration must not keep anybody from asking a daemon that runs
 * well: so nothing else of it is read, and no plugin opened. */
static int find_socket(const struct options *o, char path[SOCKET_MAX])
{
	const char *given = o->socket ? o->socket : getenv(SOCKET_VARIABLE);

	if (given && *given)
		return snprintf(path, SOCKET_MAX, "%s", given) < SOCKET_MAX ? 0 : -1;
	if (cts_conf_socket(config_of(o), path, SOCKET_MAX) == 0 ||
	    (!o->config && errno == ENOENT && cts_conf_socket(NULL, path, SOCKET_MAX) == 0))
		return 0;
	fprintf(stderr, "conntrackd: %s: %s; --socket PATH says where the daemon takes commands\n",
		config_of(o), strerror(errno));
	return -1;
}

static int ask(const struct options *o)
{
	char path[SOCKET_MAX];
	int ret;

	if (find_socket(o, path) < 0)
		return -1;
	ret = cts_control_call(path, o->n_words, o->words, stdout, stderr);
	if (ret >= 0)
		return ret;
	if (errno == EPROTO)
		fprintf(stderr, "conntrackd: the daemon ended before its answer did\n");
	else
		fprintf(stderr,
			"can't connect to %s: %s: is conntrackd running? appropriate "
			"permissions?\n",
			path, strerror(errno));
	return -1;
}

static int call(const struct options *o)
{
	int ret = ask(o);

	if (ret >= 0)
		return ret;
	return o->mode == OPT_STATUS ? STATUS_NOT_IN_SYNC : 1;
}

static int be_daemon(const struct options *o, struct cts_config *conf)
{
	struct env_background background = { .ready_fd = -1 };
	struct daemon *d;
	int status;

	if (o->background && env_background_begin(&background, &status))
		return status;
	if (cts_log_open(cts_options_string(conf->log, "target"), "conntrackd",
			 cts_log_level_of(cts_options_string(conf->log, "level"))) < 0)
		cts_err("log: cannot open %s: %s", cts_options_string(conf->log, "target"),
			strerror(errno));
	d = daemon_create(conf);
	if (!d)
		return 1;
	if (o->background)
		env_background_ready(&background);
	status = daemon_run(d) < 0;
	daemon_destroy(d);
	cts_log_close();
	return status;
}

static int show_plugins(const struct options *o)
{
	struct cts_config *conf = NULL;
	struct cts_loader *loader;
	int ret;

	/* A plugin_path of the configuration counts, a missing file does not matter. */
	FILE *there = fopen(config_of(o), "re");

	if (there) {
		fclose(there);
		conf = cts_config_load(config_of(o), NULL);
	}
	loader = conf ? conf->loader : cts_loader_create(NULL, 0);
	ret = loader ? cts_loader_describe(loader, o->plugin, stdout) : -1;
	if (ret < 0)
		fprintf(stderr, "conntrackd: no plugin named %s\n",
			o->plugin ? o->plugin : "(any)");
	if (conf)
		cts_config_free(conf);
	else
		cts_loader_destroy(loader);
	return ret < 0;
}

int main(int argc, char **argv)
{
	struct cts_config *conf;
	struct options o;
	int ret;

	env_journal();
	if (parse_options(&o, argc, argv) < 0) {
		fputs("Try conntrackd -h.\n", stderr);
		return 1;
	}
	if (o.mode == 'h' || o.mode == 'v') {
		fputs(o.mode == 'h' ? usage : "conntrackd v" PACKAGE_VERSION " (ctsync)\n", stdout);
		return 0;
	}
	if (sodium_init() < 0) {
		fputs("conntrackd: libsodium does not start\n", stderr);
		return 1;
	}
	if (o.mode == OPT_PLUGINS)
		return show_plugins(&o);
	if (o.n_words)
		return call(&o);
	conf = cts_config_load(config_of(&o), NULL);
	if (!conf)
		return 1;
	ret = o.mode == OPT_CHECK ? 0 : be_daemon(&o, conf);
	cts_config_free(conf);
	return ret;
}
