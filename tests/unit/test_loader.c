/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/plugin/loader.h"

static const char *module_dir(void)
{
	static char dir[4096];

	snprintf(dir, sizeof(dir), "%s/tests/unit/.libs", getenv("CTS_BUILD"));
	return dir;
}

static struct cts_loader *loader(void)
{
	const char *path[] = { module_dir() };
	struct cts_loader *l;

	unsetenv("CTS_PLUGIN_PATH");
	l = cts_loader_create(path, 1);
	assert_non_null(l);
	return l;
}

static void refuse(const char *name, enum cts_plugin_kind kind, int err, const char *reason)
{
	struct cts_loader *l = loader();

	assert_null(cts_loader_get(l, kind, name));
	assert_int_equal(errno, err);
	if (!strstr(cts_loader_error(l), reason))
		fail_msg("\"%s\" does not say \"%s\"", cts_loader_error(l), reason);
	cts_loader_destroy(l);
}

static void a_module_is_found_by_name_and_loaded_once(void **state)
{
	struct cts_loader *l = loader();
	const struct cts_output_ops *ops = cts_loader_get(l, CTS_KIND_OUTPUT, "t_good");

	if (!ops)
		fail_msg("%s", cts_loader_error(l));
	assert_string_equal(ops->plugin.version, "7.1");
	assert_non_null(ops->create(NULL));
	assert_int_equal(ops->flush(NULL), 42);
	assert_null(ops->snapshot);
	assert_ptr_equal(cts_loader_get(l, CTS_KIND_OUTPUT, "t_good"), ops);
	cts_loader_destroy(l);
}

static void an_older_smaller_ops_struct_gets_null_functions(void **state)
{
	struct cts_loader *l = loader();
	const struct cts_output_ops *ops = cts_loader_get(l, CTS_KIND_OUTPUT, "t_old");

	if (!ops)
		fail_msg("%s", cts_loader_error(l));
	assert_non_null(ops->consume);
	/* the module has a flush, but beyond the size that it declares */
	assert_null(ops->flush);
	assert_null(ops->rotate);
	cts_loader_destroy(l);
}

static void a_wrong_abi_is_refused_with_both_numbers(void **state)
{
	refuse("t_abi", CTS_KIND_OUTPUT, ENOEXEC, "ABI 99, this is ABI 1");
}

static void a_wrong_kind_is_refused_with_both_numbers(void **state)
{
	refuse("t_good", CTS_KIND_FILTER, ENOEXEC,
	       "kind 2 (output), asked for is kind 3 (filter)");
	refuse("t_kind", CTS_KIND_OUTPUT, ENOEXEC, "kind 17, known are 1 to 3");
}

static void modules_with_other_faults_are_refused(void **state)
{
	refuse("t_lacks", CTS_KIND_OUTPUT, ENOEXEC, "lacks a mandatory function");
	refuse("t_tiny", CTS_KIND_OUTPUT, ENOEXEC, "an ops struct of 8 bytes");
	refuse("t_name", CTS_KIND_OUTPUT, ENOEXEC, "calls itself \"other\"");
	refuse("t_symbol", CTS_KIND_OUTPUT, ENOEXEC, "exports no t_symbol_LTX_cts_plugin");
}

static void an_unresolved_symbol_is_named_although_libltdl_hides_it(void **state)
{
	refuse("t_unresolved", CTS_KIND_OUTPUT, ELIBBAD, "cts_there_is_no_such_function");
}

static void a_missing_module_is_reported_with_the_path_that_was_searched(void **state)
{
	refuse("t_nowhere", CTS_KIND_OUTPUT, ENOENT, "there is no file t_nowhere.so in");
	refuse("t_nowhere", CTS_KIND_OUTPUT, ENOENT, module_dir());
}

static void names_that_are_paths_are_refused(void **state)
{
	refuse("../t_good", CTS_KIND_OUTPUT, EINVAL, "is no name of a plugin");
	refuse("", CTS_KIND_OUTPUT, EINVAL, "is no name of a plugin");
	refuse("-x", CTS_KIND_OUTPUT, EINVAL, "is no name of a plugin");
}

static void the_environment_names_folders_for_development(void **state)
{
	struct cts_loader *l;

	setenv("CTS_PLUGIN_PATH", "/nonexistent:", 1);
	l = cts_loader_create(NULL, 0);
	assert_null(cts_loader_get(l, CTS_KIND_OUTPUT, "t_good"));
	assert_non_null(strstr(cts_loader_error(l), "/nonexistent, " CTS_MODULE_DIR));
	cts_loader_destroy(l);

	setenv("CTS_PLUGIN_PATH", module_dir(), 1);
	l = cts_loader_create(NULL, 0);
	assert_non_null(cts_loader_get(l, CTS_KIND_OUTPUT, "t_good"));
	cts_loader_destroy(l);
}

static void a_relative_folder_is_meant_from_where_we_were_started(void **state)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct cts_loader *l;

	assert_int_equal(chdir(getenv("CTS_BUILD")), 0);
	setenv("CTS_PLUGIN_PATH", "tests/unit/.libs", 1);
	l = cts_loader_create(NULL, 0);
	assert_int_equal(chdir("/"), 0);
	assert_non_null(cts_loader_get(l, CTS_KIND_OUTPUT, "t_good"));
	cts_loader_destroy(l);
	assert_int_equal(fchdir(here), 0);
	close(here);
}

static char *describe(const char *name, int rc)
{
	struct cts_loader *l = loader();
	char *text = NULL;
	size_t size;
	FILE *fp = open_memstream(&text, &size);

	assert_int_equal(cts_loader_describe(l, name, fp), rc);
	fclose(fp);
	cts_loader_destroy(l);
	return text;
}

static void a_plugin_is_described_with_its_options(void **state)
{
	char *text = describe("t_good", 0);

	assert_non_null(strstr(text, "t_good: output 7.1, a module for tests\n"));
	assert_non_null(strstr(text, "colour"));
	assert_non_null(strstr(text, "red, blue; default: red\n"));
	assert_non_null(strstr(text, "an integer from 1 to 9; required\n"));
	free(text);

	text = describe("t_nowhere", -1);
	assert_string_equal(text, "");
	free(text);
}

static void all_modules_are_listed_the_broken_ones_with_the_reason(void **state)
{
	char *text = describe(NULL, 0);

	assert_non_null(strstr(text, "t_good       output     7.1      a module for tests\n"));
	assert_non_null(strstr(text, "cannot be used: "));
	assert_non_null(strstr(text, "ABI 99"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_module_is_found_by_name_and_loaded_once),
		cmocka_unit_test(an_older_smaller_ops_struct_gets_null_functions),
		cmocka_unit_test(a_wrong_abi_is_refused_with_both_numbers),
		cmocka_unit_test(a_wrong_kind_is_refused_with_both_numbers),
		cmocka_unit_test(modules_with_other_faults_are_refused),
		cmocka_unit_test(an_unresolved_symbol_is_named_although_libltdl_hides_it),
		cmocka_unit_test(a_missing_module_is_reported_with_the_path_that_was_searched),
		cmocka_unit_test(names_that_are_paths_are_refused),
		cmocka_unit_test(the_environment_names_folders_for_development),
		cmocka_unit_test(a_relative_folder_is_meant_from_where_we_were_started),
		cmocka_unit_test(a_plugin_is_described_with_its_options),
		cmocka_unit_test(all_modules_are_listed_the_broken_ones_with_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
