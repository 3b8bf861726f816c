/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines that `-o save` wrote, of this program or of the established one, and what
 * sed(1) made of them. They say all that an entry was; the command that stands in
 * front need not be able to use all of it.
 */
#include "config.h"

#include <byteswap.h>
#include <string.h>

#include "cli/conntrack/saved.h"

static bool is_word(int argc, char *argv[], int i, const char *word)
{
	return i < argc && !strcmp(argv[i], word);
}

bool saved_is(const struct cmdline *cl, int argc, char *argv[])
{
	const uint64_t needed = OPT_BIT(OPT_TIMEOUT) | OPT_BIT(OPT_ORIG_SRC) |
				OPT_BIT(OPT_ORIG_DST) | OPT_BIT(OPT_PROTO);

	/* `-A -t 100 -u ASSURED ...': so far nobody's hand goes */
	if (!cl->at.file || cl->selection_only || (cl->given & needed) != needed ||
	    !is_word(argc, argv, 2, "-t") || !is_word(argc, argv, 4, "-u"))
		return false;
	return (cmdline_has(cl, OPT_REPLY_SRC) || cmdline_has(cl, OPT_DST_NAT)) &&
	       (cmdline_has(cl, OPT_REPLY_DST) || cmdline_has(cl, OPT_SRC_NAT));
}

void saved_ignore(struct cmdline *cl)
{
	const uint64_t values = OPT_BIT(OPT_TIMEOUT) | OPT_BIT(OPT_STATUS) | OPT_BIT(OPT_MARK) |
				OPT_BIT(OPT_LABEL_ADD) | OPT_BIT(OPT_HELPER);
	const uint32_t of_proto = PO_BIT(PO_STATE) | PO_BIT(PO_ORIG_VTAG) | PO_BIT(PO_REPLY_VTAG) |
				  PO_BIT(PO_ROLE);

	cl->given &= ~OPT_BIT(OPT_SECMARK);
	if (cl->command->id != CMD_DELETE)
		return;
	cl->given &= ~values;
	cl->proto_given &= ~of_proto;
	cl->n_label_lists = 0;
}

bool saved_swap_tags(struct cmdline *cl, const struct saved_words *words)
{
	struct cts_flow *f = &cl->store.flow;

	if (!cl->saved || words->tags || !cts_flow_has(f, CTS_FLOW_SCTP_VTAG) ||
	    cmdline_has(cl, OPT_MARK))
		return false;
	f->sctp_vtag[0] = bswap_32(f->sctp_vtag[0]);
	f->sctp_vtag[1] = bswap_32(f->sctp_vtag[1]);
	return true;
}

void saved_take(struct cmdline *cl, const struct saved_words *words)
{
	enum command_id id = cl->command->id;

	if (words->labels && (id == CMD_CREATE || id == CMD_ADD || id == CMD_UPDATE))
		labels_take_saved(cl, words->labels);
	if (words->helper && (id == CMD_CREATE || id == CMD_ADD))
		option_set(cl, OPT_HELPER, words->helper);
}
